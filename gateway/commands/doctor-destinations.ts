// Whether a destination answers: C-ECHO, an HTTP request, a folder that can be written.
import { access, constants, mkdir } from 'node:fs/promises';
import type { Destination, Settings } from '../../config/settings.ts';
import { echo } from '../dimse/echo-scu.ts';
import type { Finding } from './doctor.ts';

const TIMEOUT_MS = 5000;

export async function probeDestination(destination: Destination, settings: Settings): Promise<Finding> {
  const what = `destination ${destination.name}`;
  try {
    await probe(destination, settings);
    return { ok: true, what: `${what} answers` };
  } catch (error) {
    return { ok: false, what: `${what}: ${(error as Error).message}`, advice: 'results wait for it and are sent when it answers; see `hilum deliveries`' };
  }
}

async function probe(destination: Destination, settings: Settings): Promise<void> {
  if (destination.type === 'folder') {
    await mkdir(destination.path, { recursive: true });
    await access(destination.path, constants.W_OK);
  } else if (destination.type === 'dicomweb') {
    // Any answer below 500 shows that a server is there and knows who we are.
    const response = await fetch(`${destination.url}/studies?limit=1`, { headers: destination.headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (response.status >= 500 || [401, 403].includes(response.status)) throw new Error(`answers ${response.status} ${response.statusText}`);
  } else {
    const peer = settings.peers.find(({ name }) => name === destination.peer);
    if (peer?.host === undefined || peer.port === undefined) throw new Error(`peer "${destination.peer}" has no host and port`);
    await echo({ host: peer.host, port: peer.port, calledAe: peer.aeTitle, callingAe: settings.dimse.aeTitle, user: peer.sendUser }, TIMEOUT_MS);
  }
}

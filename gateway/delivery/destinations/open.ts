// The client for a destination of the settings.
import type { Logger } from 'pino';
import type { Destination, Settings } from '../../../config/settings.ts';
import type { DestinationClient } from './destination.ts';
import { DicomwebDestination } from './dicomweb.ts';
import { DimseDestination } from './dimse.ts';
import { FolderDestination } from './folder.ts';

export type { DestinationClient, OutgoingResult, SendOutcome } from './destination.ts';

/** Opens no connection yet; the settings were validated, so a peer is there and has host and port. */
export function openDestination(destination: Destination, settings: Settings, log: Logger): DestinationClient {
  const timeoutMs = destination.timeoutSeconds * 1000;
  switch (destination.type) {
    case 'folder':
      return new FolderDestination(destination.path);
    case 'dicomweb':
      return new DicomwebDestination({ url: destination.url, headers: destination.headers, timeoutMs });
    case 'dimse': {
      const peer = settings.peers.find(({ name }) => name === destination.peer);
      if (peer?.host === undefined || peer.port === undefined) throw new Error(`destination "${destination.name}" has no peer to call`);
      const remote = { host: peer.host, port: peer.port, calledAe: peer.aeTitle, callingAe: settings.dimse.aeTitle, user: peer.sendUser };
      return new DimseDestination({ remote, maxPduBytes: settings.limits.pduBytes, timeoutMs, log: log.child({ destination: destination.name }) });
    }
  }
}

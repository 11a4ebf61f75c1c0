// From a source of the settings to a client that speaks to it.
import type { Logger } from 'pino';
import type { Settings, Source } from '../../config/settings.ts';
import { SourceUnavailable } from '../../storage/errors.ts';
import { DicomwebSource } from './dicomweb-source.ts';
import { DimseSource } from './dimse-source.ts';
import type { SourceClient } from './source-client.ts';

/** @throws {SourceUnavailable} where its peer cannot be called; the settings are checked for that when they are loaded */
export function openSource(source: Source, settings: Settings, log: Logger): SourceClient {
  const timeoutMs = source.timeoutSeconds * 1000;
  if (source.type === 'dicomweb') return new DicomwebSource({ url: source.url, headers: source.headers, timeoutMs });
  const peer = settings.peers.find(({ name }) => name === source.peer);
  if (peer?.host === undefined || peer.port === undefined) throw new SourceUnavailable(`peer "${source.peer}" has no host and port`);
  return new DimseSource({
    remote: { host: peer.host, port: peer.port, calledAe: peer.aeTitle, callingAe: settings.dimse.aeTitle, user: peer.sendUser },
    retrieve: source.retrieve,
    maxPduBytes: settings.limits.pduBytes,
    timeoutMs,
    log,
  });
}

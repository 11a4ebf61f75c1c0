// Whether a source answers, and the modality worklist: C-ECHO, or a search of one study.
import { pino } from 'pino';
import type { ModalityWorklistSettings, Settings, Source } from '../../config/settings.ts';
import { echo } from '../dimse/echo-scu.ts';
import { openSource } from '../sources/open.ts';
import type { Finding } from './doctor.ts';

const TIMEOUT_SECONDS = 5;

export async function probeSource(source: Source, settings: Settings): Promise<Finding> {
  const client = openSource({ ...source, timeoutSeconds: Math.min(source.timeoutSeconds, TIMEOUT_SECONDS) }, settings, pino({ level: 'silent' }));
  try {
    await client.probe(AbortSignal.timeout(2 * TIMEOUT_SECONDS * 1000));
    return { ok: true, what: `source ${source.name} answers` };
  } catch (error) {
    return { ok: false, what: `source ${source.name}: ${(error as Error).message}`, advice: 'what is to be fetched from it waits until it answers; see hilum_retrievals and hilum_watch_failures in /metrics' };
  } finally {
    await client.close();
  }
}

export async function probeModalityWorklist({ peer: name }: ModalityWorklistSettings, { peers, dimse }: Settings): Promise<Finding> {
  const peer = peers.find((candidate) => candidate.name === name);
  try {
    await echo({ host: peer?.host ?? '', port: peer?.port ?? 0, calledAe: peer?.aeTitle ?? '', callingAe: dimse.aeTitle }, TIMEOUT_SECONDS * 1000);
    return { ok: true, what: `modality worklist ${name} answers` };
  } catch (error) {
    return { ok: false, what: `modality worklist ${name}: ${(error as Error).message}`, advice: 'images that leave something out are analysed as they are' };
  }
}

// A source that is asked over QIDO-RS and gives its instances over WADO-RS.
import { randomUUID } from 'node:crypto';
import type { QueryLevel } from '../../storage/archive.ts';
import { text, type Dataset } from '../../storage/dicom/dataset.ts';
import { IntakeRefusal } from '../../storage/errors.ts';
import { searchDicomweb } from '../dicomweb-client/qido.ts';
import { DicomwebClient, type DicomwebServer } from '../dicomweb-client/request.ts';
import { retrieveDicomweb } from '../dicomweb-client/wado.ts';
import { KeyError, RETURNED, type Keys } from './keys.ts';
import type { FetchIntake, FetchPart, FetchRequest, ListedInstance, SourceClient } from './source-client.ts';

export class DicomwebSource implements SourceClient {
  readonly arrival = 'here';
  readonly #client: DicomwebClient;
  readonly #host: string;

  constructor(server: DicomwebServer) {
    this.#client = new DicomwebClient(server);
    this.#host = new URL(server.url).hostname;
  }

  find(level: QueryLevel, keys: Keys, signal: AbortSignal, limit?: number): AsyncIterable<Dataset> {
    if (level === 'patient') throw new KeyError('DICOMweb has no search for patients: ask for studies');
    const { StudyInstanceUID: study = '', SeriesInstanceUID: series = '', ...others } = { ...Object.fromEntries(RETURNED[level].map((keyword) => [keyword, ''])), ...keys };
    const isOne = (uid: string): boolean => /^[0-9.]+$/.test(uid);
    const path = level === 'study' || !isOne(study) ? '' : `/studies/${study}`;
    const resource = level === 'instance' ? `${path}${path !== '' && isOne(series) ? `/series/${series}` : ''}/instances` : level === 'series' ? `${path}/series` : '/studies';
    const left = { ...(study !== '' && path === '' && { StudyInstanceUID: study }), ...(series !== '' && !resource.includes('/series/') && { SeriesInstanceUID: series }) };
    // The unique keys come back without being asked for, and servers complain of those that they do not know.
    const wanted = Object.entries({ ...left, ...others }).filter(([keyword, value]) => value !== '' || !BY_DEFAULT.has(keyword));
    return searchDicomweb(this.#client, { resource, keys: Object.fromEntries(wanted), limit }, signal);
  }

  async list(studyInstanceUid: string, signal: AbortSignal): Promise<ListedInstance[]> {
    const listed: ListedInstance[] = [];
    for await (const match of this.find('instance', { StudyInstanceUID: studyInstanceUid }, signal)) {
      const seriesInstanceUid = text(match, 'SeriesInstanceUID');
      const sopInstanceUid = text(match, 'SOPInstanceUID');
      const sopClassUid = text(match, 'SOPClassUID');
      if (seriesInstanceUid && sopInstanceUid) listed.push({ seriesInstanceUid, sopInstanceUid, ...(sopClassUid && { sopClassUid }) });
    }
    return listed;
  }

  async fetch({ studyInstanceUid, parts }: FetchRequest, intake: FetchIntake, signal: AbortSignal): Promise<number> {
    const context = { transport: 'wado' as const, address: this.#host, associationId: randomUUID() };
    const until = AbortSignal.any([signal, intake.full]);
    let sent = 0;
    const take = async (file: AsyncIterable<Uint8Array>): Promise<void> => {
      sent += 1;
      try {
        await intake.receive(file, context);
      } catch (error) {
        // The intake keeps why; the others are not held back by it.
        if (!(error instanceof IntakeRefusal)) throw error;
      }
    };
    for (const path of parts.flatMap((part) => pathsOf(studyInstanceUid, part))) {
      if (intake.full.aborted) break;
      await retrieveDicomweb(this.#client, path, take, until).catch((error: unknown) => {
        if (!intake.full.aborted) throw error;
      });
    }
    return sent;
  }

  async probe(signal: AbortSignal): Promise<void> {
    for await (const _ of this.find('study', {}, signal, 1)) return;
  }

  async close(): Promise<void> {
    this.#client.close();
  }
}

/** PS3.18 tables 10.6.3-3 to -5: returned without being asked for. */
const BY_DEFAULT = new Set([
  'StudyInstanceUID', 'StudyDate', 'StudyTime', 'AccessionNumber', 'PatientID', 'PatientName', 'PatientBirthDate', 'PatientSex', 'ModalitiesInStudy',
  'NumberOfStudyRelatedSeries', 'NumberOfStudyRelatedInstances', 'SeriesInstanceUID', 'Modality', 'SeriesNumber', 'SeriesDescription',
  'NumberOfSeriesRelatedInstances', 'SOPInstanceUID', 'SOPClassUID', 'InstanceNumber',
]);

function pathsOf(study: string, { seriesInstanceUid, sopInstanceUids }: FetchPart): string[] {
  const series = seriesInstanceUid === undefined ? `/studies/${study}` : `/studies/${study}/series/${seriesInstanceUid}`;
  return sopInstanceUids ? sopInstanceUids.map((uid) => `${series}/instances/${uid}`) : [series];
}

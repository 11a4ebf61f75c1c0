// A PACS that remembers which content it acknowledged under which SOP Instance UID, and nothing else of it.
import { createHash } from 'node:crypto';
import { startDimseServer } from '../../gateway/dimse/server.ts';
import { items, text } from '../../storage/dicom/dataset.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import type { ReceiveContext } from '../../storage/receive.ts';
import { settingsWith, silent } from './dimse.ts';

export interface StoredContent {
  sopClassUid: string;
  sopInstanceUid: string;
  /** SHA-256 of the dataset, hex. */
  digest: string;
  studyInstanceUid: string;
  /** Of a report: the SOP Instance UIDs of the reports that it replaces. */
  predecessors: string[];
}

export interface RecordingPacs {
  port: number;
  /** Every C-STORE that was acknowledged, in order. */
  stored: StoredContent[];
  stop(): Promise<void>;
}

export async function startRecordingPacs(port = 0): Promise<RecordingPacs> {
  const stored: StoredContent[] = [];
  const receiver = {
    async receive(source: AsyncIterable<Uint8Array>, { command }: ReceiveContext): Promise<void> {
      if (!command) throw new Error('not a C-STORE');
      const parts: Uint8Array[] = [];
      for await (const part of source) parts.push(Uint8Array.from(part));
      const bytes = Buffer.concat(parts);
      const { dataset } = parsePart10(bytes, { transferSyntaxUid: command.transferSyntaxUid });
      stored.push({
        sopClassUid: command.sopClassUid,
        sopInstanceUid: command.sopInstanceUid,
        digest: createHash('sha256').update(bytes).digest('hex'),
        studyInstanceUid: text(dataset, 'StudyInstanceUID') ?? '',
        predecessors: items(dataset, 'PredecessorDocumentsSequence')
          .flatMap((study) => items(study, 'ReferencedSeriesSequence'))
          .flatMap((series) => items(series, 'ReferencedSOPSequence'))
          .flatMap((instance) => text(instance, 'ReferencedSOPInstanceUID') ?? []),
      });
    },
  };
  const settings = settingsWith({ dimse: { port, aeTitle: 'PACS' }, limits: { drainSeconds: 1 } });
  const server = await startDimseServer({ settings, receiver, log: silent });
  return { port: server.port, stored, stop: () => server.drain() };
}

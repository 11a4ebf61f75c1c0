// A PACS that has what a test gives it, and answers C-FIND and C-GET as it is told: wholly, in part, wrongly, or not at all.
import { startDimseServer } from '../../gateway/dimse/server.ts';
import { COMMAND } from '../../gateway/dimse/command.ts';
import { readIdentifier, writeIdentifier } from '../../gateway/dimse/identifier.ts';
import type { DimseService, ServiceCall } from '../../gateway/dimse/service.ts';
import { dataset, text, texts, type Dataset } from '../../storage/dicom/dataset.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import type { ArchiveInstance } from './archive-studies.ts';
import { CR_STORAGE, EXPLICIT, IMPLICIT, settingsWith, silent } from './dimse.ts';

const FIND = '1.2.840.10008.5.1.4.1.2.2.1';
const MOVE = '1.2.840.10008.5.1.4.1.2.2.2';
const GET = '1.2.840.10008.5.1.4.1.2.2.3';
const SYNTAXES = new Set([EXPLICIT, IMPLICIT]);

export interface ArchiveScript {
  /** Answers every request, or every one of a kind, with this status and nothing else. */
  refuse?: { status: number; errorComment?: string; only?: 'find' | 'get' | 'move' } | undefined;
  /** Says nothing any more. */
  hang?: boolean;
  /** Attributes that this archive does not tell. */
  untold?: string[];
  /** Instances that it lists and cannot send. */
  lost?: Set<string>;
  /** What it sends instead of the dataset. */
  instead?: (sopInstanceUid: string, bytes: Uint8Array) => Uint8Array;
  /** Runs before each C-STORE of a C-GET. */
  before?: () => Promise<void>;
}

export interface ScriptedArchive extends AsyncDisposable {
  port: number;
  instances: ArchiveInstance[];
  script: ArchiveScript;
  /** Every request, with its identifier. */
  asked: { command: 'find' | 'get' | 'move'; identifier: Dataset }[];
  /** C-STORE statuses that came back. */
  statuses: number[];
  cancelled: number;
}

export async function startScriptedArchive(instances: ArchiveInstance[] = []): Promise<ScriptedArchive> {
  const service: DimseService = {
    sopClasses: new Map([FIND, MOVE, GET].map((uid) => [uid, SYNTAXES])),
    sends: new Map([[CR_STORAGE, SYNTAXES]]),
    handle: serve,
  };
  const server = await startDimseServer({ settings: settingsWith({ dimse: { aeTitle: 'PACS' }, limits: { drainSeconds: 0 } }), receiver: { receive: async () => undefined }, services: [service], log: silent });
  const archive: ScriptedArchive = { port: server.port, instances, script: {}, asked: [], statuses: [], cancelled: 0, [Symbol.asyncDispose]: () => server.drain() };

  async function serve(call: ServiceCall): Promise<void> {
    const { message, respond, signal } = call;
    const { commandField } = message.command;
    const identifier = await readIdentifier(message.dataset!, message.context.transferSyntax);
    const command = commandField === COMMAND.findRq ? 'find' : commandField === COMMAND.getRq ? 'get' : 'move';
    archive.asked.push({ command, identifier });
    const { hang, refuse } = archive.script;
    if (hang) return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    if (refuse && (refuse.only ?? command) === command) return respond({ status: refuse.status, ...(refuse.errorComment && { errorComment: refuse.errorComment }) });
    if (commandField === COMMAND.findRq) await answerFind(call, identifier);
    else await answerGet(call, identifier);
  }

  async function answerFind({ message, respond }: ServiceCall, identifier: Dataset): Promise<void> {
    const level = text(identifier, 'QueryRetrieveLevel');
    for (const match of matchesOf(archive.instances, identifier, level ?? '')) {
      for (const keyword of archive.script.untold ?? []) delete match[Object.keys(dataset({ [keyword]: null }))[0]!];
      await respond({ status: 0xff00 }, writeIdentifier(match, message.context.transferSyntax));
    }
    await respond({ status: 0 });
  }

  async function answerGet({ association, respond, invoke, signal }: ServiceCall, identifier: Dataset): Promise<void> {
    const chosen = selected(archive.instances, identifier);
    let completed = 0;
    let failed = 0;
    for (const { sopInstanceUid, file } of chosen) {
      if (signal.aborted) {
        archive.cancelled += 1;
        return respond({ status: 0xfe00, completedSuboperations: completed, failedSuboperations: failed });
      }
      await archive.script.before?.();
      if (archive.script.lost?.has(sopInstanceUid)) failed += 1;
      else {
        const context = [...association.contexts.values()].find(({ abstractSyntax, transferSyntax }) => abstractSyntax === CR_STORAGE && transferSyntax === EXPLICIT)!;
        const bytes = file.subarray(parsePart10(file).datasetOffset);
        const sent = archive.script.instead?.(sopInstanceUid, bytes) ?? bytes;
        const request = { commandField: COMMAND.storeRq, affectedSopClassUid: CR_STORAGE, affectedSopInstanceUid: sopInstanceUid, priority: 0, hasDataset: true };
        const { status } = await invoke(context.id, request, (async function* () { yield sent; })());
        archive.statuses.push(status);
        if (status === 0) completed += 1;
        else failed += 1;
      }
    }
    await respond({ status: failed > 0 ? 0xb000 : 0, completedSuboperations: completed, failedSuboperations: failed, warningSuboperations: 0 });
  }
  return archive;
}

/** By the unique keys of the identifier; a range of dates as well. */
function selected(instances: ArchiveInstance[], identifier: Dataset): ArchiveInstance[] {
  return instances.filter(({ file }) => {
    const { dataset: header } = parsePart10(file);
    const [from, to] = (text(identifier, 'StudyDate') ?? '').split('-');
    if (from !== '' && from !== undefined && !((text(header, 'StudyDate') ?? '') >= from && (text(header, 'StudyDate') ?? '') <= (to ?? from))) return false;
    return ['StudyInstanceUID', 'SeriesInstanceUID', 'SOPInstanceUID', 'PatientID'].every((keyword) => {
      const wanted = texts(identifier, keyword);
      return wanted.length === 0 || wanted.includes(text(header, keyword) ?? '');
    });
  });
}

function matchesOf(instances: ArchiveInstance[], identifier: Dataset, level: string): Dataset[] {
  const unique = level === 'STUDY' ? 'StudyInstanceUID' : level === 'SERIES' ? 'SeriesInstanceUID' : 'SOPInstanceUID';
  const groups = Map.groupBy(selected(instances, identifier), ({ file }) => text(parsePart10(file).dataset, unique) ?? '');
  return [...groups.values()].map((group) => {
    const { dataset: first } = parsePart10(group[0]!.file);
    const modalities = [...new Set(group.map(({ file }) => text(parsePart10(file).dataset, 'Modality') ?? ''))];
    const keywords = ['StudyInstanceUID', 'StudyDate', 'PatientID', 'PatientName', 'PatientBirthDate', ...(level === 'STUDY' ? [] : ['SeriesInstanceUID', 'Modality', 'BodyPartExamined']), ...(level === 'IMAGE' ? ['SOPInstanceUID', 'SOPClassUID'] : [])];
    return {
      ...dataset(Object.fromEntries(keywords.map((keyword) => [keyword, text(first, keyword) ?? null]))),
      ...dataset({ QueryRetrieveLevel: level }),
      ...(level === 'STUDY' && dataset({ ModalitiesInStudy: modalities, NumberOfStudyRelatedInstances: group.length })),
      ...(level === 'SERIES' && dataset({ NumberOfSeriesRelatedInstances: group.length })),
    };
  });
}

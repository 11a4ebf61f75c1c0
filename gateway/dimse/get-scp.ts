// Retrieve SCP by C-GET: instances come back over the association on which they were asked for (PS3.4 C.4.3, PS3.7 9.3.3).
import type { Archive, ArchivedInstance } from '../../storage/archive.ts';
import { SOP_CLASS_NAMES } from '../../storage/dicom/sop-classes.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN, TRANSFER_SYNTAXES, transferSyntax } from '../../storage/dicom/uids.ts';
import { NotTranscodableError } from '../transcode/transcoder.ts';
import type { Transcoder } from '../transcode/transcoder.ts';
import { COMMAND } from './command.ts';
import { DATASET_SYNTAXES } from './identifier.ts';
import { answerOptions, GET_MODELS, RETRIEVE_OPTIONS } from './query-models.ts';
import { problemOf, RETRIEVE_STATUS } from './query-status.ts';
import type { DimseService, ServiceCall } from './service.ts';
import { isCancelled, refuseCommand } from './service.ts';
import { canSend, contextOf, instancesOf, readSelection, SubOperations } from './sub-operations.ts';

export interface GetScpOptions {
  archive: Pick<Archive, 'select'>;
  transcoder: Pick<Transcoder, 'canTranscode' | 'dataset'>;
}

export function getService(options: GetScpOptions): DimseService {
  return {
    permission: 'retrieve',
    sopClasses: new Map(Object.keys(GET_MODELS).map((uid) => [uid, DATASET_SYNTAXES])),
    sends: sentSyntaxes(options.transcoder),
    extended: (proposed) => answerOptions(RETRIEVE_OPTIONS, proposed),
    async handle(call) {
      if (call.message.command.commandField !== COMMAND.getRq) return refuseCommand(call);
      await handleGet(call, options);
    },
  };
}

/** In which transfer syntaxes everything of a SOP class can be sent, whatever it is stored in, but for what cannot be decoded. */
function sentSyntaxes(transcoder: GetScpOptions['transcoder']): Map<string, ReadonlySet<string>> {
  const all = new Set(Object.keys(TRANSFER_SYNTAXES).filter((uid) => canSend(transcoder, EXPLICIT_VR_LITTLE_ENDIAN, uid)));
  const native = new Set([...all].filter((uid) => !transferSyntax(uid).encapsulated));
  return new Map(Object.entries(SOP_CLASS_NAMES).map(([uid, name]) => [uid, /Video/.test(name) ? new Set<string>() : / Image Storage/.test(name) ? all : native]));
}

async function handleGet(call: ServiceCall, options: GetScpOptions): Promise<void> {
  const { log, signal, message } = call;
  const started = performance.now();
  try {
    const selection = await readSelection(call, GET_MODELS);
    const instances = await instancesOf(options.archive, selection, signal);
    const operations = new SubOperations(instances.length);
    for (const instance of instances) {
      if (signal.aborted) break;
      await sendBack(call, options, instance, operations);
      if (operations.remaining > 0 && operations.isReportDue()) await call.respond(operations.pending());
    }
    if (!isCancelled(signal)) signal.throwIfAborted();
    await call.respond(operations.final(signal.aborted), operations.failedList(message.context.transferSyntax));
    log.info({ ...operations.toJSON(), cancelled: signal.aborted, milliseconds: Math.round(performance.now() - started) }, 'C-GET answered');
  } catch (error) {
    const problem = problemOf(error, RETRIEVE_STATUS.outOfResourcesForMatches, log);
    log.warn({ reason: problem.message }, 'C-GET ended early');
    await call.respond(problem.response());
  }
}

/** @throws {AssociationError}; what reading the file throws in the middle, after which the association cannot go on */
async function sendBack({ association, invoke, message, log }: ServiceCall, { transcoder }: GetScpOptions, instance: ArchivedInstance, operations: SubOperations): Promise<void> {
  const { sopClassUid, sopInstanceUid, transferSyntaxUid } = instance;
  const contexts = association.agreement.roles.get(sopClassUid)?.scp ? [...association.contexts.values()] : [];
  const context = contextOf(contexts, instance, transcoder);
  if (!context) {
    log.warn({ sopInstance: sopInstanceUid, sopClass: sopClassUid, transferSyntax: transferSyntaxUid }, 'C-GET: no presentation context with the SCP role takes it');
    return operations.fail(sopInstanceUid, `no context with SCP role for ${sopClassUid} in ${transferSyntaxUid}`);
  }
  let dataset;
  try {
    // Without the signal: an instance that has begun goes out whole, or takes the association with it.
    dataset = await transcoder.dataset(instance, context.transferSyntax);
  } catch (error) {
    log.warn({ err: error, sopInstance: sopInstanceUid }, 'C-GET: it cannot be sent');
    return operations.fail(sopInstanceUid, error instanceof NotTranscodableError ? error.message : 'it cannot be read');
  }
  const request = { commandField: COMMAND.storeRq, affectedSopClassUid: sopClassUid, affectedSopInstanceUid: sopInstanceUid, priority: message.command.priority ?? 0, hasDataset: true };
  const answer = await invoke(context.id, request, dataset);
  if (operations.failed < 10 && answer.status !== 0) log.warn({ sopInstance: sopInstanceUid, status: answer.status, reason: answer.errorComment }, 'C-GET: the peer refused it');
  operations.answered(sopInstanceUid, answer);
}

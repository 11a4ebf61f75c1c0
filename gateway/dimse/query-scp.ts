// Query SCP: C-FIND in the Patient Root, Study Root and Patient/Study Only models (PS3.4 C.4.1, PS3.7 9.3.2).
import type { Archive } from '../../storage/archive.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { COMMAND } from './command.ts';
import { DATASET_SYNTAXES, readIdentifier, writeIdentifier } from './identifier.ts';
import type { FindRequest } from './query-identifier.ts';
import { characterSetsOf, matchIdentifier, parseFind } from './query-identifier.ts';
import { agreedOptions, answerOptions, FIND_MODELS, FIND_OPTIONS } from './query-models.ts';
import { problemOf, QUERY_STATUS, QueryProblem } from './query-status.ts';
import type { DimseService, ServiceCall } from './service.ts';
import { refuseCommand } from './service.ts';

export interface QueryScpOptions {
  archive: Pick<Archive, 'search'>;
  /** Ours: where a match can be retrieved from. */
  aeTitle(): string;
}

export function queryService(options: QueryScpOptions): DimseService {
  return {
    permission: 'query',
    sopClasses: new Map(Object.keys(FIND_MODELS).map((uid) => [uid, DATASET_SYNTAXES])),
    extended: (proposed) => answerOptions(FIND_OPTIONS, proposed),
    async handle(call) {
      if (call.message.command.commandField !== COMMAND.findRq) return refuseCommand(call);
      await handleFind(call, options);
    },
  };
}

async function handleFind(call: ServiceCall, options: QueryScpOptions): Promise<void> {
  const { log, signal } = call;
  const started = performance.now();
  let matches = 0;
  try {
    const { identifier, request } = await readRequest(call);
    const characterSets = characterSetsOf(identifier);
    const status = request.hasUnsupportedKeys ? QUERY_STATUS.pendingWithUnsupportedKeys : QUERY_STATUS.pending;
    for await (const match of untilAborted(options.archive.search(request.query), signal)) {
      const answer = matchIdentifier(match, identifier, request.level, options.aeTitle());
      await call.respond({ status }, writeIdentifier(answer, call.message.context.transferSyntax, characterSets));
      matches += 1;
    }
    signal.throwIfAborted();
    await call.respond({ status: QUERY_STATUS.success });
    log.info({ level: request.level, keys: request.query.keys.length, matches, milliseconds: Math.round(performance.now() - started) }, 'C-FIND answered');
  } catch (error) {
    const problem = problemOf(error, QUERY_STATUS.outOfResources, log);
    log.warn({ reason: problem.message, matches }, 'C-FIND ended early');
    await call.respond(problem.response());
  }
}

/** @throws {QueryProblem | DicomFormatError | AssociationError} */
async function readRequest({ association, message: { context, dataset } }: ServiceCall): Promise<{ identifier: Dataset; request: FindRequest }> {
  if (!dataset) throw new QueryProblem(QUERY_STATUS.identifierDoesNotMatchSopClass, 'C-FIND without an identifier');
  const identifier = await readIdentifier(dataset, context.transferSyntax);
  const agreed = agreedOptions(FIND_OPTIONS, association.agreement.extended.get(context.abstractSyntax));
  return { identifier, request: parseFind(identifier, FIND_MODELS[context.abstractSyntax]!, agreed) };
}

/** Ends with the signal, also while the archive is at work at the next one. */
async function* untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  let wake = (): void => {};
  const onAbort = (): void => wake();
  signal.addEventListener('abort', onAbort);
  try {
    while (!signal.aborted) {
      const step = await new Promise<IteratorResult<T> | undefined>((resolve, reject) => {
        wake = () => resolve(undefined);
        iterator.next().then(resolve, reject);
      });
      if (!step || step.done) return;
      yield step.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    // What is under way ends by itself; nobody waits for it.
    void iterator.return?.().catch(() => {});
  }
}

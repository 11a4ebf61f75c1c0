// Fetching over HTTP: POST /api/retrieve asks for a study, GET /api/retrieve/{id} tells how far it is, GET /api/sources where from.
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Settings, Source } from '../../config/settings.ts';
import { isUid } from '../../storage/dicom/uids.ts';
import type { Retrieval, RetrievalRequest } from '../../storage/retrievals.repository.ts';
import type { WatchState } from '../../storage/watches.repository.ts';
import { HttpError } from '../http/errors.ts';
import { readJson } from '../http/read-json.ts';

const wanted = z.strictObject({
  source: z.string().min(1),
  studyInstanceUid: z.string().refine(isUid, 'is not a UID'),
  /** `prior`: neither analysed nor in the worklist. */
  purpose: z.enum(['study', 'prior']).default('study'),
  /** Its priors as well, as `priors` of the source says which. */
  priors: z.boolean().default(false),
});

export interface RetrievalSource {
  sources(): readonly Source[];
  /** @returns the retrieval that is open for the same, where there is one */
  request(request: RetrievalRequest): Promise<Retrieval>;
  get(id: string): Promise<Retrieval | undefined>;
  watches(): Promise<WatchState[]>;
}

/** POST /api/retrieve `{ source, studyInstanceUid, purpose?, priors? }`: 202, the retrieval, and where to ask for it. */
export async function requestRetrieve(request: Request, response: Response, retrievals: RetrievalSource): Promise<void> {
  const { source: name, studyInstanceUid, purpose, priors } = wanted.parse(await readJson(request, response));
  const source = sourceNamed(retrievals.sources(), name);
  const common = { source: name, studyInstanceUid, requestedBy: 'api' as const, hours: source.retry.hours };
  const retrieval = await retrievals.request({ ...common, purpose });
  if (priors) await retrievals.request({ ...common, purpose: 'find-priors' });
  response.status(202).set('Location', `/api/retrieve/${retrieval.id}`).json(answerOf(retrieval));
}

/** GET /api/retrieve/{id} */
export async function showRetrieve(request: Request, response: Response, retrievals: RetrievalSource): Promise<void> {
  const id = String(request.params['id']);
  const retrieval = z.uuid().safeParse(id).success ? await retrievals.get(id) : undefined;
  if (!retrieval) throw new HttpError(404, 'There is no such retrieval.');
  response.json(answerOf(retrieval));
}

/** GET /api/sources */
export async function listSources(_request: Request, response: Response, retrievals: RetrievalSource): Promise<void> {
  const states = await retrievals.watches();
  response.json({
    sources: retrievals.sources().map(({ name, type, watch }) => {
      const state = states.find(({ source }) => source === name);
      return { name, type, watch: watch ? { everySeconds: watch.everySeconds, lastAnswerAt: state?.lastAnswerAt?.toISOString() ?? null, failures: state?.failures ?? 0, lastError: state?.lastError ?? null } : null };
    }),
  });
}

function sourceNamed(sources: Settings['sources'] | readonly Source[], name: string): Source {
  const source = sources.find((candidate) => candidate.name === name);
  if (!source) throw new HttpError(422, `There is no source "${name.slice(0, 64)}"; the settings have ${sources.map((each) => each.name).join(', ') || 'none'}.`);
  return source;
}

function answerOf(retrieval: Retrieval) {
  const { id, source, studyInstanceUid, purpose, priorTo, state, attempts, instances, fetched, refused, lastError, requestedBy, requestedAt, nextAttemptAt, finishedAt } = retrieval;
  return {
    id, source, studyInstanceUid, purpose, priorTo, state, attempts, instances, fetched, refused, lastError, requestedBy,
    requestedAt: requestedAt.toISOString(),
    nextAttemptAt: state === 'waiting' ? nextAttemptAt.toISOString() : null,
    finishedAt: finishedAt?.toISOString() ?? null,
  };
}

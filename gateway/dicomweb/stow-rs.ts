// Store transaction: POST /dicomweb/studies[/{study}] (PS3.18 10.5). Part after part goes to the receiver as it arrives.
import type { Request, Response } from 'express';
import type { Logger } from 'pino';
import { datasetJson } from '../../storage/dicom/json.ts';
import { datasetXml } from '../../storage/dicom/xml.ts';
import type { IndexOutcome } from '../../storage/intake.repository.ts';
import type { ReceiveContext } from '../../storage/receive.ts';
import type { Spool } from '../../storage/spool.ts';
import { answer, continueBody } from '../http/answer.ts';
import { HttpError, RETRY_AFTER_SECONDS } from '../http/errors.ts';
import { covers, parseAccept, parseMediaType } from '../http/header-parameters.ts';
import { MetadataStore } from './metadata-store.ts';
import { MultipartError, type Part } from './multipart.ts';
import { serviceRoot } from './service-root.ts';
import { kindOf, storeBody, type StoreBody } from './stow-body.ts';
import { InstanceStore, type InstanceReceiver, type PartStore, type StoreTools } from './stow-parts.ts';
import { StoreResponse, WARNING_REASON, WrongPartError } from './store-response.ts';
import { requireUid } from './uid-path.ts';

/** The response lists every part, so that their number must end somewhere; the largest studies have a few thousand instances. */
const MAX_PARTS = 100_000;
/** A retrieve right after the response should find the instance; it is durable all the same when indexing takes longer. */
const INDEX_WAIT_MILLISECONDS = 2_000;

/** Content-Transfer-Encoding (RFC 2045 6) is none of HTTP's; these leave the bytes as they are. */
const PLAIN_ENCODINGS = new Set(['binary', '8bit', '7bit']);

const FORMS = {
  'application/dicom+json': { names: ['application/dicom+json', 'application/json'], write: datasetJson },
  'application/dicom+xml': { names: ['application/dicom+xml', 'application/xml', 'text/xml'], write: datasetXml },
} as const;

export interface StowOptions {
  /** Undefined where this process has no intake. */
  receiver: InstanceReceiver | undefined;
  /** Where what waits for the rest of its instance is kept. */
  spool: Spool;
  /** Resolves once the instance can be found in the database, with what became of it where that is known. */
  indexed(blobId: string): Promise<IndexOutcome | undefined>;
  log: Logger;
}

export async function storeInstances(request: Request, response: Response, options: StowOptions): Promise<void> {
  const { receiver, spool } = options;
  if (!receiver) throw new HttpError(503, 'This process does not take instances: its roles are without intake.');
  const study = request.params['study'] === undefined ? undefined : requireUid(request, 'study');
  const form = formOf(request);
  const body = storeBody(request);
  continueBody(request, response);
  const requestId = String(response.locals['requestId']);
  const log = options.log.child({ requestId });
  const context: ReceiveContext = {
    transport: 'stow',
    address: request.socket.remoteAddress ?? '',
    associationId: requestId,
    ...(study !== undefined && { studyInstanceUid: study }),
  };
  const outcome = new StoreResponse(serviceRoot(request));
  const indexed: Promise<void>[] = [];
  const tools: StoreTools = {
    receiver, outcome, log,
    received(instance, coercion) {
      // Asked at once: what became of it is not known any more once it is in the index. A failure to index is the indexer's to
      // log and mend: the instance is durable.
      const indexing = options.indexed(instance.blobId).catch(() => undefined);
      return () => {
        const warn = outcome.store(instance);
        if (coercion !== undefined) warn(WARNING_REASON.coerced, coercion);
        const warnOfChange = (indexOutcome: IndexOutcome | undefined): void => {
          if (indexOutcome === 'new-version') warn(WARNING_REASON.changedVersion, 'another dataset had this UID; both are kept, this one counts');
        };
        indexed.push(indexing.then(warnOfChange));
      };
    },
  };
  const stores = {
    instances: () => new InstanceStore(tools, context),
    metadata: () => new MetadataStore(tools, spool, context, `${serviceRoot(request)}/studies${study === undefined ? '' : `/${study}`}`),
  };
  const count = await storeParts(body, stores, outcome);
  if (count === 0 && outcome.partCount === 0) throw new HttpError(400, 'The body has no parts.');
  if (outcome.partCount === 0) throw new HttpError(400, 'The metadata has no dataset.');
  if (outcome.storedCount === 0) log.warn({ status: outcome.status(), reason: outcome.firstFailure() }, 'stored none of a STOW-RS request');
  await Promise.race([Promise.allSettled(indexed), pause(INDEX_WAIT_MILLISECONDS)]);
  const status = outcome.status();
  const headers = { 'Content-Type': form, 'Cache-Control': 'no-store', ...(status === 503 && { 'Retry-After': String(RETRY_AFTER_SECONDS) }) };
  await answer(request, response, status, headers, FORMS[form].write(outcome.dataset()));
}

/** @returns how many parts came */
async function storeParts({ kind, parts }: StoreBody, stores: Record<'instances' | 'metadata', () => PartStore>, outcome: StoreResponse): Promise<number> {
  let store = kind && stores[kind]();
  let count = 0;
  try {
    for await (const part of parts) {
      if (++count > MAX_PARTS) throw new MultipartError(`the body has more than ${MAX_PARTS} parts`);
      const type = typeOf(part);
      store ??= stores[kindOf(type?.type ?? '') ?? 'instances']();
      const encoding = part.headers.get('content-transfer-encoding') ?? 'binary';
      if (!PLAIN_ENCODINGS.has(encoding.toLowerCase())) {
        outcome.fail(undefined, new WrongPartError(`a part is encoded as ${encoding}; it must be binary`));
        continue;
      }
      if ((await store.take(part, type)).stop) return count;
    }
    await store?.end();
  } catch (error) {
    if (!(error instanceof MultipartError)) throw error;
    outcome.breakOff(error);
    await store?.end();
  } finally {
    await store?.close();
  }
  return count;
}

function typeOf(part: Part): ReturnType<typeof parseMediaType> {
  return parseMediaType(part.headers.get('content-type') ?? '');
}

/** @throws {HttpError} where the caller takes neither form of the response */
function formOf(request: Request): keyof typeof FORMS {
  const forms = Object.keys(FORMS) as (keyof typeof FORMS)[];
  for (const range of parseAccept(request.headers.accept)) {
    const wanted = range.type === 'multipart/related' ? { ...range, type: range.parameters.get('type') ?? '' } : range;
    const form = forms.find((one) => FORMS[one].names.some((name) => covers(wanted, name)));
    if (form) return form;
  }
  throw new HttpError(406, 'The response is application/dicom+json or application/dicom+xml.');
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}

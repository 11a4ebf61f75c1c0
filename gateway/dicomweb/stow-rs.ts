// Store transaction: POST /dicomweb/studies[/{study}] (PS3.18 10.5). Part after part goes to the receiver as it arrives.
import type { Request, Response } from 'express';
import type { Logger } from 'pino';
import { IntakeRefusal } from '../../storage/errors.ts';
import type { ReceiveContext } from '../../storage/receive.ts';
import { answer, continueBody } from '../http/answer.ts';
import { HttpError, RETRY_AFTER_SECONDS } from '../http/errors.ts';
import { covers, parseAccept, parseMediaType } from '../http/header-parameters.ts';
import { isBoundary, MultipartError, readMultipart, type Part } from './multipart.ts';
import { PartHead } from './part-head.ts';
import { StoreResponse, WrongPartError, type StoredInstance } from './store-response.ts';
import { requireUid } from './uid-path.ts';

/** A caller that sends nothing for this long is given up; a slow line sends something. */
const IDLE_MILLISECONDS = 60_000;
/** The response lists every part, so that their number must end somewhere; the largest studies have a few thousand instances. */
const MAX_PARTS = 100_000;
/** What is left of an instance beyond the size limit is read up to here, so that the instances after it still arrive. */
const MAX_SKIPPED_BYTES = 256 * 1024 * 1024;
/** A retrieve right after the response should find the instance; it is durable all the same when indexing takes longer. */
const INDEX_WAIT_MILLISECONDS = 2_000;

/** The part of intake that STOW-RS needs (storage/receive.ts). */
export interface InstanceReceiver {
  /** Resolves once the instance is durable. @throws {IntakeRefusal} */
  receive(source: AsyncIterable<Uint8Array>, context: ReceiveContext): Promise<StoredInstance & { blobId: string }>;
}

export interface StowOptions {
  /** Undefined where this process has no intake. */
  receiver: InstanceReceiver | undefined;
  /** Resolves once the instance can be found in the database. */
  indexed(blobId: string): Promise<void>;
  log: Logger;
}

export async function storeInstances(request: Request, response: Response, options: StowOptions): Promise<void> {
  const { receiver } = options;
  if (!receiver) throw new HttpError(503, 'This process does not take instances: its roles are without intake.');
  const study = request.params['study'] === undefined ? undefined : requireUid(request, 'study');
  requireJsonAccepted(request);
  const parts = partsOf(request);
  continueBody(request, response);
  const requestId = String(response.locals['requestId']);
  const log = options.log.child({ requestId });
  const context: ReceiveContext = {
    transport: 'stow',
    address: request.socket.remoteAddress ?? '',
    associationId: requestId,
    ...(study !== undefined && { studyInstanceUid: study }),
  };
  const outcome = new StoreResponse(`${request.protocol}://${request.headers.host}/dicomweb`);
  const indexed: Promise<void>[] = [];
  try {
    for await (const part of parts) {
      if (outcome.partCount >= MAX_PARTS) throw new MultipartError(`the body has more than ${MAX_PARTS} parts`);
      const { blobId, stop } = await storePart(part, context, outcome, receiver, log);
      if (stop) break;
      // A failure to index is the indexer's to log and mend: the instance is durable.
      if (blobId !== undefined) indexed.push(options.indexed(blobId).catch(() => undefined));
    }
  } catch (error) {
    if (!(error instanceof MultipartError)) throw error;
    outcome.breakOff(error);
  }
  if (outcome.partCount === 0) throw new HttpError(400, 'The body has no parts.');
  if (outcome.storedCount === 0) log.warn({ status: outcome.status(), reason: outcome.firstFailure() }, 'stored none of a STOW-RS request');
  await Promise.race([Promise.allSettled(indexed), pause(INDEX_WAIT_MILLISECONDS)]);
  const status = outcome.status();
  const headers = {
    'Content-Type': 'application/dicom+json',
    'Cache-Control': 'no-store',
    ...(status === 503 && { 'Retry-After': String(RETRY_AFTER_SECONDS) }),
  };
  await answer(request, response, status, headers, JSON.stringify(outcome.dataset()));
}

/** Hands one part to intake; `stop` when the rest is not worth sending. @throws what stopped the body itself */
async function storePart(
  part: Part,
  context: ReceiveContext,
  outcome: StoreResponse,
  receiver: InstanceReceiver,
  log: Logger,
): Promise<{ blobId?: string; stop?: boolean }> {
  const type = part.headers.get('content-type');
  if (type !== undefined && parseMediaType(type)?.type !== 'application/dicom') {
    outcome.fail(undefined, new WrongPartError(`a part is ${type}, not application/dicom`));
    return {};
  }
  const head = new PartHead(part.body);
  try {
    const instance = await receiver.receive(head.stream(), context);
    outcome.store(instance);
    return { blobId: instance.blobId };
  } catch (error) {
    if (head.failure !== undefined) throw head.failure;
    const name = await head.name();
    if (head.failure !== undefined) throw head.failure;
    outcome.fail(name, error);
    if (!(error instanceof IntakeRefusal)) {
      log.error({ err: error }, 'storing an instance failed');
      return {};
    }
    // With no room for the first there is none for the rest: better to say so now than after all of it was sent.
    if (error.kind === 'out-of-room') return { stop: outcome.storedCount === 0 };
    if (error.kind !== 'too-large' || (await head.skipWithin(MAX_SKIPPED_BYTES))) return {};
    outcome.fail(undefined, new IntakeRefusal('too-large', 'what follows the instance that is too large was not read'));
    return { stop: true };
  }
}

function partsOf(request: Request): AsyncIterable<Part> {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') throw new HttpError(415, `Content-Encoding ${encoding} is not supported.`);
  const type = parseMediaType(request.headers['content-type'] ?? '');
  if (type?.type === 'application/dicom') return onePart(request);
  const related = type?.parameters.get('type')?.toLowerCase() ?? 'application/dicom';
  if (type?.type !== 'multipart/related' || related !== 'application/dicom')
    throw new HttpError(415, 'Instances are stored as multipart/related; type="application/dicom".', { Accept: 'multipart/related; type="application/dicom"' });
  const boundary = type.parameters.get('boundary');
  if (boundary === undefined || !isBoundary(boundary)) throw new HttpError(400, 'The Content-Type has no usable boundary parameter.');
  return readMultipart(bodyOf(request), boundary);
}

/** PS3.18 8.6.1.1: a single part may be sent as it is. */
async function* onePart(request: Request): AsyncGenerator<Part> {
  yield { headers: new Map(), body: bodyOf(request) };
}

/** The request's body; unlike the stream's own iterator it leaves the connection open for the answer. */
async function* bodyOf(request: Request): AsyncGenerator<Uint8Array, void, undefined> {
  const chunks: AsyncIterator<Uint8Array> = request.iterator({ destroyOnReturn: false });
  for (;;) {
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new HttpError(408, `Nothing came for ${IDLE_MILLISECONDS / 1000} s.`)), IDLE_MILLISECONDS);
    });
    const next = await Promise.race([chunks.next(), silence]).finally(() => clearTimeout(timer));
    if (next.done) return;
    yield next.value;
  }
}

function requireJsonAccepted(request: Request): void {
  const ranges = parseAccept(request.headers.accept);
  if (!ranges.some((range) => covers(range, 'application/dicom+json') || covers(range, 'application/json')))
    throw new HttpError(406, 'The response is application/dicom+json.');
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}

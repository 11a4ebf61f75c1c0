// Instances that come as metadata and bulk data in one request (PS3.18 10.5.1.4). What an instance waits for is on disk: its
// metadata in one file for all, each bulk value in its own; in memory there is one dataset and what refers to what.
import type { Logger } from 'pino';
import { datasetJson } from '../../storage/dicom/json.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { frameCount } from '../../storage/dicom/frames.ts';
import { parseDatasetJson } from '../../storage/dicom/parse-json.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';
import { parseDatasetXml } from '../../storage/dicom/xml.ts';
import { DicomFormatError, IntakeRefusal } from '../../storage/errors.ts';
import type { ReceiveContext } from '../../storage/receive.ts';
import type { Spool, SpooledFile, SpoolWriter } from '../../storage/spool.ts';
import type { MediaType } from '../http/header-parameters.ts';
import { assembleInstance, bulkUris, nameOf, type BulkValue } from './assemble-instance.ts';
import { syntaxOfBulk } from './bulk-media-types.ts';
import { nativeBytes } from './image-pixels.ts';
import { jsonItems } from './json-items.ts';
import { decodeText, xmlEncoding } from './metadata-text.ts';
import type { Part } from './multipart.ts';
import type { InstanceName } from './part-head.ts';
import { WrongPartError } from './store-response.ts';
import type { PartOutcome, PartStore, StoreTools } from './stow-parts.ts';

/** As much as the Part 10 reader takes for a header; more is no metadata without its bulk data. */
const MAX_METADATA_BYTES = 32 * 1024 * 1024;
/** What is left of a value beyond the size limit is read up to here, so that what follows still arrives. */
const MAX_SKIPPED_BYTES = 256 * 1024 * 1024;

interface Waiting {
  name: InstanceName;
  /** Of its metadata in the file of all that wait. */
  start: number;
  length: number;
  locations: Set<string>;
  pixels: { location: string; frames: number; nativeBytes: number | undefined } | undefined;
}

type BulkPart = Omit<BulkValue, 'source'> & { kept: SpooledFile | Error };

export class MetadataStore implements PartStore {
  readonly #tools: StoreTools;
  readonly #spool: Spool;
  readonly #context: ReceiveContext;
  /** Relative locations are meant from here: the address of the request. */
  readonly #base: string;
  readonly #log: Pick<Logger, 'error'>;
  readonly #waiting = new Set<Waiting>();
  readonly #wantedBy = new Map<string, Set<Waiting>>();
  readonly #bulk = new Map<string, BulkPart[]>();
  readonly #used = new Set<string>();
  #texts: SpoolWriter | undefined;

  constructor(tools: StoreTools, spool: Spool, context: ReceiveContext, base: string) {
    this.#tools = tools;
    this.#spool = spool;
    this.#context = context;
    this.#base = base;
    this.#log = tools.log;
  }

  async take(part: Part, type: MediaType | undefined): Promise<PartOutcome> {
    if (type?.type === 'application/dicom+json' || type?.type === 'application/json') return this.#takeMetadata(jsonDatasets(part.body));
    if (type?.type === 'application/dicom+xml' || type?.type === 'application/xml' || type?.type === 'text/xml') return this.#takeMetadata(xmlDataset(part.body));
    if (type?.type === 'application/dicom') {
      this.#tools.outcome.fail(undefined, new WrongPartError('an instance as application/dicom among metadata and bulk data'));
      return {};
    }
    return this.#takeBulk(part, type);
  }

  /** What still waits will not come. */
  async end(): Promise<void> {
    for (const instance of this.#waiting) {
      const missing = [...instance.locations].find((location) => !this.#isComplete(instance, location));
      this.#tools.outcome.fail(instance.name, new IntakeRefusal('not-understood', `no bulk data came for ${missing}`));
    }
    this.#waiting.clear();
    for (const location of this.#bulk.keys())
      if (!this.#used.has(location)) this.#tools.outcome.fail(undefined, new WrongPartError(`no metadata refers to ${location}`));
  }

  /** Nothing stays on disk. */
  async close(): Promise<void> {
    await this.#texts?.abort();
    for (const location of this.#bulk.keys()) await this.#forget(location);
  }

  async #takeMetadata(datasets: AsyncIterable<() => Dataset>): Promise<PartOutcome> {
    try {
      for await (const parse of datasets) if ((await this.#takeDataset(parse)).stop) return { stop: true };
      // Its bulk data may have come before it.
      return this.#bulk.size > 0 ? await this.#storeComplete([...this.#waiting]) : {};
    } catch (error) {
      if (!(error instanceof DicomFormatError)) throw error;
      this.#tools.outcome.fail(undefined, error);
      return {};
    }
  }

  async #takeDataset(parse: () => Dataset): Promise<PartOutcome> {
    let name: InstanceName | undefined;
    try {
      const dataset = parse();
      name = nameOf(dataset);
      const locations = new Set([...bulkUris(dataset)].map((uri) => this.#resolve(uri)));
      if (locations.size === 0) return await this.#store(name, dataset);
      const text = Buffer.from(datasetJson(dataset));
      this.#texts ??= await this.#spool.open();
      const pixelUri = dataset['7FE00010']?.BulkDataURI;
      const pixels = pixelUri === undefined ? undefined : { location: this.#resolve(pixelUri), frames: frameCount(dataset), nativeBytes: nativeBytes(dataset) };
      const instance: Waiting = { name, start: this.#texts.length, length: text.length, locations, pixels };
      await this.#texts.write(text);
      this.#waiting.add(instance);
      for (const location of locations) {
        const wanting = this.#wantedBy.get(location) ?? new Set();
        this.#wantedBy.set(location, wanting.add(instance));
      }
      return {};
    } catch (error) {
      return this.#refuse(name, error);
    }
  }

  async #takeBulk(part: Part, type: MediaType | undefined): Promise<PartOutcome> {
    const stated = part.headers.get('content-location');
    if (stated === undefined) {
      this.#tools.outcome.fail(undefined, new WrongPartError('a part with bulk data has no Content-Location'));
      return {};
    }
    const syntax = type ? syntaxOfBulk(type) : { transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN, isVideo: false };
    const { location, frame } = this.#place(this.#resolve(stated));
    if (this.#used.has(location) && !this.#wantedBy.get(location)?.size) {
      this.#tools.outcome.fail(undefined, new WrongPartError(`more came for ${stated} than its instances have frames`));
      return {};
    }
    const parts = this.#bulk.get(location) ?? [];
    this.#bulk.set(location, parts);
    const refusal = 'refused' in syntax ? new IntakeRefusal('not-understood', syntax.refused) : undefined;
    const coding = 'refused' in syntax ? { transferSyntaxUid: '', isVideo: false } : syntax;
    const kept = refusal ?? (await this.#keep(part));
    if (kept instanceof Error && !(kept instanceof IntakeRefusal)) throw kept;
    parts.push({ ...coding, frame, kept });
    if (kept instanceof IntakeRefusal && kept.kind === 'out-of-room') return this.#refuseAll(kept);
    if (kept instanceof IntakeRefusal && kept.kind === 'too-large' && !(await skip(part, MAX_SKIPPED_BYTES))) return this.#refuseAll(kept);
    return this.#storeComplete([...(this.#wantedBy.get(location) ?? [])]);
  }

  /** @returns why it could not be kept, instead of throwing what the instances that wait for it are refused with */
  async #keep(part: Part): Promise<SpooledFile | Error> {
    try {
      return await this.#spool.keep(part.body);
    } catch (error) {
      if (error instanceof IntakeRefusal) return error;
      throw error;
    }
  }

  async #storeComplete(candidates: Waiting[]): Promise<PartOutcome> {
    for (const instance of candidates) {
      if (![...instance.locations].every((location) => this.#isComplete(instance, location))) continue;
      this.#waiting.delete(instance);
      const { stop } = await this.#storeWaiting(instance);
      for (const location of instance.locations) {
        this.#used.add(location);
        const wanting = this.#wantedBy.get(location);
        wanting?.delete(instance);
        if (wanting?.size === 0) await this.#forget(location);
      }
      if (stop) return { stop };
    }
    return {};
  }

  async #storeWaiting(instance: Waiting): Promise<PartOutcome> {
    await this.#texts!.flush();
    const text = await this.#texts!.readBack(instance.start, instance.length);
    return this.#store(instance.name, parseDatasetJson(text.toString('utf8')));
  }

  async #store(name: InstanceName, dataset: Dataset): Promise<PartOutcome> {
    try {
      const { file, coercion } = await assembleInstance(dataset, (uri) => this.#valuesOf(this.#resolve(uri)));
      const instance = await this.#tools.receiver.receive(file, this.#context);
      this.#tools.received(instance, coercion)();
      return {};
    } catch (error) {
      return this.#refuse(name, error);
    }
  }

  #valuesOf(location: string): BulkValue[] {
    return (this.#bulk.get(location) ?? []).map(({ kept, ...coding }) => {
      if (kept instanceof Error) throw kept;
      return { ...coding, source: kept };
    });
  }

  /** What makes an instance impossible to store; anything else is ours and ends up in the log as well. */
  #refuse(name: InstanceName | undefined, error: unknown): PartOutcome {
    const { outcome } = this.#tools;
    outcome.fail(name, error);
    if (error instanceof IntakeRefusal) return error.kind === 'out-of-room' && outcome.storedCount === 0 ? this.#refuseAll(error) : {};
    if (!(error instanceof DicomFormatError)) this.#log.error({ err: error }, 'storing an instance failed');
    return {};
  }

  /** The rest of the body is not read: nothing of what waits can come any more. */
  #refuseAll(error: IntakeRefusal): PartOutcome {
    for (const { name } of this.#waiting) this.#tools.outcome.fail(name, error);
    if (this.#tools.outcome.partCount === 0) this.#tools.outcome.fail(undefined, error);
    this.#waiting.clear();
    return { stop: true };
  }

  #isComplete({ pixels }: Waiting, location: string): boolean {
    const parts = this.#bulk.get(location) ?? [];
    const [first] = parts;
    if (!first) return false;
    if (location !== pixels?.location || first.isVideo || parts.some(({ kept }) => kept instanceof Error)) return true;
    if (first.transferSyntaxUid !== EXPLICIT_VR_LITTLE_ENDIAN) return parts.length >= pixels.frames;
    const bytes = parts.reduce((sum, { kept }) => sum + (kept instanceof Error ? 0 : kept.length), 0);
    return bytes >= (pixels.nativeBytes ?? 0);
  }

  /** A frame of its own may have a location below that of its pixel data. */
  #place(location: string): { location: string; frame: number | undefined } {
    const [, pixelData, number] = /^(.+)\/frames\/([1-9]\d{0,8})$/.exec(location) ?? [];
    if (pixelData === undefined || this.#wantedBy.has(location)) return { location, frame: undefined };
    return { location: pixelData, frame: Number(number) };
  }

  /** A UUID is one in any of its spellings: the Native DICOM Model has it bare (PS3.19 A.1.5), clients write uuid: and urn:uuid:. */
  #resolve(uri: string): string {
    const [, uuid] = /^(?:(?:urn:)?uuid:)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i.exec(uri) ?? [];
    if (uuid !== undefined) return `urn:uuid:${uuid.toLowerCase()}`;
    return URL.canParse(uri, this.#base) ? new URL(uri, this.#base).href : uri;
  }

  async #forget(location: string): Promise<void> {
    for (const { kept } of this.#bulk.get(location) ?? []) if (!(kept instanceof Error)) await kept.remove();
    this.#bulk.delete(location);
  }
}

/** Parsed one by one: a dataset that is broken spoils none of the others. */
async function* jsonDatasets(body: AsyncIterable<Uint8Array>): AsyncGenerator<() => Dataset, void, undefined> {
  for await (const text of jsonItems(body, MAX_METADATA_BYTES)) yield () => parseDatasetJson(text);
}

async function* xmlDataset(body: AsyncIterable<Uint8Array>): AsyncGenerator<() => Dataset, void, undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > MAX_METADATA_BYTES) throw new DicomFormatError(`the metadata of an instance is longer than ${MAX_METADATA_BYTES} bytes`, length);
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  yield () => parseDatasetXml(decodeText(bytes, xmlEncoding(bytes)));
}

/** @returns false when the rest of the part is longer */
async function skip(part: Part, limit: number): Promise<boolean> {
  let skipped = 0;
  for await (const chunk of part.body) {
    skipped += chunk.length;
    if (skipped > limit) return false;
  }
  return true;
}

// Instances that come as metadata and bulk data in one request (PS3.18 10.5.1.4). What an instance waits for is on disk: its
// metadata in one file for all, each bulk value in its own; in memory there is one dataset and what refers to what.
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { frameCount } from '../../storage/dicom/frames.ts';
import { datasetJson } from '../../storage/dicom/json.ts';
import { parseDatasetJson } from '../../storage/dicom/parse-json.ts';
import { DicomFormatError, IntakeRefusal } from '../../storage/errors.ts';
import type { ReceiveContext } from '../../storage/receive.ts';
import type { Spool, SpoolWriter } from '../../storage/spool.ts';
import type { MediaType } from '../http/header-parameters.ts';
import { assembleInstance, bulkUris, nameOf } from './assemble-instance.ts';
import { BulkParts, type PixelNeed } from './bulk-parts.ts';
import { nativeBytes } from './image-pixels.ts';
import { datasetsOf } from './metadata-parts.ts';
import type { Part } from './multipart.ts';
import type { InstanceName } from './part-head.ts';
import { WrongPartError } from './store-response.ts';
import type { PartOutcome, PartStore, StoreTools } from './stow-parts.ts';

interface Waiting {
  name: InstanceName;
  /** Of its metadata in the file of all that wait. */
  start: number;
  length: number;
  locations: Set<string>;
  /** Those of which not all has come. */
  missing: Set<string>;
  pixels: PixelNeed | undefined;
}

export class MetadataStore implements PartStore {
  readonly #tools: StoreTools;
  readonly #spool: Spool;
  readonly #context: ReceiveContext;
  readonly #bulk: BulkParts;
  readonly #waiting = new Set<Waiting>();
  readonly #wantedBy = new Map<string, Set<Waiting>>();
  readonly #used = new Set<string>();
  #texts: SpoolWriter | undefined;

  /** @param base the address of the request, from which relative locations are meant */
  constructor(tools: StoreTools, spool: Spool, context: ReceiveContext, base: string) {
    this.#tools = tools;
    this.#spool = spool;
    this.#context = context;
    this.#bulk = new BulkParts(spool, base);
  }

  async take(part: Part, type: MediaType | undefined): Promise<PartOutcome> {
    const datasets = datasetsOf(part.body, type);
    if (datasets) return this.#takeMetadata(datasets);
    if (type?.type !== 'application/dicom') return this.#takeBulk(part, type);
    this.#tools.outcome.fail(undefined, new WrongPartError('an instance as application/dicom among metadata and bulk data'));
    return {};
  }

  /** What still waits will not come. */
  async end(): Promise<void> {
    for (const { name, missing } of this.#waiting) this.#tools.outcome.fail(name, new IntakeRefusal('not-understood', `no bulk data came for ${[...missing][0]}`));
    this.#waiting.clear();
    for (const location of this.#bulk.locations())
      if (!this.#used.has(location)) this.#tools.outcome.fail(undefined, new WrongPartError(`no metadata refers to ${location}`));
  }

  /** Nothing stays on disk. */
  async close(): Promise<void> {
    await this.#texts?.abort();
    for (const location of this.#bulk.locations()) await this.#bulk.forget(location);
  }

  async #takeMetadata(datasets: AsyncIterable<() => Dataset>): Promise<PartOutcome> {
    try {
      const complete: Waiting[] = [];
      for await (const parse of datasets) if ((await this.#takeDataset(parse, complete)).stop) return { stop: true };
      return await this.#storeComplete(complete);
    } catch (error) {
      if (!(error instanceof DicomFormatError)) throw error;
      this.#tools.outcome.fail(undefined, error);
      return {};
    }
  }

  /** @param complete gets it where its bulk data came before it: others of the same part may refer to that too */
  async #takeDataset(parse: () => Dataset, complete: Waiting[]): Promise<PartOutcome> {
    let name: InstanceName | undefined;
    try {
      const dataset = parse();
      name = nameOf(dataset);
      const locations = new Set([...bulkUris(dataset)].map((uri) => this.#bulk.resolve(uri)));
      if (locations.size === 0) return await this.#store(name, dataset);
      const text = Buffer.from(datasetJson(dataset));
      this.#texts ??= await this.#spool.open();
      const pixelUri = dataset['7FE00010']?.BulkDataURI;
      const pixels = pixelUri === undefined ? undefined : { location: this.#bulk.resolve(pixelUri), frames: frameCount(dataset), nativeBytes: nativeBytes(dataset) };
      const missing = new Set([...locations].filter((location) => !this.#bulk.isComplete(location, pixels)));
      const instance: Waiting = { name, start: this.#texts.length, length: text.length, locations, missing, pixels };
      await this.#texts.write(text);
      this.#waiting.add(instance);
      if (missing.size === 0) complete.push(instance);
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
    const { location, frame } = this.#place(this.#bulk.resolve(stated));
    if (this.#used.has(location) && !this.#wantedBy.get(location)?.size) {
      this.#tools.outcome.fail(undefined, new WrongPartError(`more came for ${stated} than its instances have frames`));
      return {};
    }
    const over = await this.#bulk.keep(location, frame, part.body, type);
    if (over) return this.#refuseAll(over);
    const wanting = [...(this.#wantedBy.get(location) ?? [])];
    for (const instance of wanting) if (this.#bulk.isComplete(location, instance.pixels)) instance.missing.delete(location);
    return this.#storeComplete(wanting.filter(({ missing }) => missing.size === 0));
  }

  async #storeComplete(complete: Waiting[]): Promise<PartOutcome> {
    for (const instance of complete) {
      this.#waiting.delete(instance);
      const { stop } = await this.#storeWaiting(instance);
      for (const location of instance.locations) {
        this.#used.add(location);
        const wanting = this.#wantedBy.get(location);
        wanting?.delete(instance);
        if (wanting?.size === 0) await this.#bulk.forget(location);
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
      const { file, coercion } = await assembleInstance(dataset, (uri) => this.#bulk.valuesOf(this.#bulk.resolve(uri)));
      const instance = await this.#tools.receiver.receive(file, this.#context);
      this.#tools.received(instance, coercion)();
      return {};
    } catch (error) {
      return this.#refuse(name, error);
    }
  }

  /** What makes an instance impossible to store; anything else is ours and ends up in the log as well. */
  #refuse(name: InstanceName | undefined, error: unknown): PartOutcome {
    const { outcome, log } = this.#tools;
    outcome.fail(name, error);
    if (error instanceof IntakeRefusal) return error.kind === 'out-of-room' && outcome.storedCount === 0 ? this.#refuseAll(error) : {};
    if (!(error instanceof DicomFormatError)) log.error({ err: error }, 'storing an instance failed');
    return {};
  }

  /** The rest of the body is not read: nothing of what waits can come any more. */
  #refuseAll(error: IntakeRefusal): PartOutcome {
    for (const { name } of this.#waiting) this.#tools.outcome.fail(name, error);
    if (this.#tools.outcome.partCount === 0) this.#tools.outcome.fail(undefined, error);
    this.#waiting.clear();
    return { stop: true };
  }

  /** A frame of its own may have a location below that of its pixel data. */
  #place(location: string): { location: string; frame: number | undefined } {
    const [, pixelData, number] = /^(.+)\/frames\/([1-9]\d{0,8})$/.exec(location) ?? [];
    if (pixelData === undefined || this.#wantedBy.has(location)) return { location, frame: undefined };
    return { location: pixelData, frame: Number(number) };
  }
}

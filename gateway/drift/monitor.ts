// The watch on drift: compares, keeps what is drifted and since when, and tells each change once.
// steady -> drifted: at or above the bound, and not by chance
// drifted -> steady: below three quarters of the bound, or no longer compared
import type { Logger } from 'pino';
import type { ModelPackage } from '../../ai/runtime/manifest.ts';
import type { Settings } from '../../config/settings.ts';
import { ALL_STATIONS, type DriftRepository, type StoredComparison } from '../../storage/drift.repository.ts';
import type { DriftModel, DriftQuantity, DriftReport, DriftSource } from './report.ts';
import { compareModel, dayBefore } from './window.ts';

/** Chance passes it once in a thousand comparisons; a station has nine of them, each a little different from hour to hour. */
const CHANCE = 0.001;
/** A quantity that hovers around its bound is told once. */
const HYSTERESIS = 0.75;

type DriftSettings = Settings['drift'];

export interface DriftMonitorOptions {
  repository: DriftRepository;
  settings: () => DriftSettings;
  models: readonly Pick<ModelPackage, 'manifest'>[];
  log: Logger;
  now?: () => Date;
}

export class DriftMonitor implements DriftSource {
  readonly #options: Required<DriftMonitorOptions>;

  constructor(options: DriftMonitorOptions) {
    // A model of the lungs has no outcome of its own.
    this.#options = { now: () => new Date(), ...options, models: options.models.filter(({ manifest }) => manifest.purpose === 'finding') };
  }

  get names(): string[] {
    return this.#options.models.map(({ manifest }) => manifest.name);
  }

  /** As it is now, with the states of the last check. */
  async report(): Promise<DriftReport> {
    const { repository, settings, now } = this.#options;
    const { windowDays, minImages } = settings();
    await repository.fold();
    const [from, to] = [dayBefore(now(), windowDays - 1), dayBefore(now(), 0)];
    const before = byKey(await repository.comparisons(this.names));
    const models = (await this.#compareModels(from, to)).map((model) => withStates(model, (of, quantity) => {
      const known = before.get(keyOf({ ...of, quantity: quantity.quantity }));
      return { drifted: known?.drifted ?? false, since: known?.since.toISOString() ?? null };
    }));
    return { windowDays, from, to, minImages, models, drifted: models.some(({ places }) => places.some(({ quantities }) => quantities.some(({ drifted }) => drifted))) };
  }

  /** Compares, keeps the outcome, tells what has changed, and removes what is too old. */
  async check(): Promise<void> {
    const { repository, settings, now } = this.#options;
    const { windowDays, keepDays } = settings();
    await repository.fold();
    const models = await this.#compareModels(dayBefore(now(), windowDays - 1), dayBefore(now(), 0));
    await repository.compare(this.names, (stored) => {
      const before = byKey(stored);
      const after = models.flatMap((model) => this.#judge(model, before));
      this.#tell(before, byKey(after));
      return after;
    });
    await repository.expire(dayBefore(now(), keepDays - 1));
  }

  #compareModels(from: string, to: string): Promise<DriftModel[]> {
    const { repository, settings, models } = this.#options;
    return Promise.all(
      models.map(async ({ manifest: { name, version, reference } }) => {
        const model = { name, version };
        const [window, site] = await Promise.all([repository.histograms(model, from, to), repository.accepted(model)]);
        return compareModel(model, window, { site, package: reference }, settings());
      }),
    );
  }

  #judge(model: DriftModel, before: Map<string, StoredComparison>): StoredComparison[] {
    const { settings, now } = this.#options;
    return model.places.flatMap(({ station, quantities }) =>
      quantities.map((quantity) => {
        const { images, psi, ks, p, level, acceptedLevel } = quantity;
        const place = { modelName: model.name, modelVersion: model.version, station: station ?? ALL_STATIONS, quantity: quantity.quantity };
        const known = before.get(keyOf(place));
        const drifted = isDrifted(quantity, known?.drifted ?? false, settings());
        return { ...place, images, psi, ks, p, level, acceptedLevel, drifted, since: known?.drifted === drifted ? known.since : now(), checkedAt: now() };
      }),
    );
  }

  /** One line for each model and station of which something passed its bound, and one for each that is as accepted again. */
  #tell(before: Map<string, StoredComparison>, after: Map<string, StoredComparison>): void {
    const { log } = this.#options;
    const passed = [...after].filter(([key, { drifted }]) => drifted && !before.get(key)?.drifted).map(([, comparison]) => comparison);
    const ended = [...before].filter(([key, { drifted }]) => drifted && !after.get(key)?.drifted).map(([key, comparison]) => after.get(key) ?? comparison);
    const still = (of: StoredComparison): boolean => [...after.values()].some((it) => it.drifted && placeOf(it) === placeOf(of));
    for (const comparisons of Map.groupBy(passed, placeOf).values())
      log.warn(record('drift', comparisons), `drift: ${inWords(comparisons)}; docs/drift.md says what to do`);
    for (const comparisons of Map.groupBy(ended, placeOf).values())
      log.info(record('drift-ended', comparisons), `no more drift of ${comparisons.map(({ quantity }) => quantity).join(', ')} at ${stationInWords(comparisons[0]!)}${comparisons.some(still) ? '; others go on' : ''}`);
  }
}

/** Whether a quantity counts as drifted now. @param before whether it did at the last check */
export function isDrifted(of: Pick<DriftQuantity, 'quantity' | 'psi' | 'p' | 'level' | 'acceptedLevel'>, before: boolean, settings: Pick<DriftSettings, 'psiWarn' | 'positiveWarn'>): boolean {
  // Of two bins, the index stays small where a rare finding becomes three times as frequent; a change of the share is plain.
  const [size, bound] = of.quantity === 'positive' ? [Math.abs(of.level - of.acceptedLevel), settings.positiveWarn] : [of.psi, settings.psiWarn];
  return before ? size >= bound * HYSTERESIS : size >= bound && of.p < CHANCE;
}

type Place = Pick<StoredComparison, 'modelName' | 'modelVersion' | 'station'>;

const placeOf = ({ modelName, modelVersion, station }: Place): string => JSON.stringify([modelName, modelVersion, station]);
const keyOf = (of: Place & { quantity: string }): string => placeOf(of) + of.quantity;
const byKey = (comparisons: readonly StoredComparison[]): Map<string, StoredComparison> => new Map(comparisons.map((comparison) => [keyOf(comparison), comparison]));

function withStates(model: DriftModel, stateOf: (place: Place, quantity: DriftQuantity) => Pick<DriftQuantity, 'drifted' | 'since'>): DriftModel {
  const places = model.places.map((place) => {
    const of = { modelName: model.name, modelVersion: model.version, station: place.station ?? ALL_STATIONS };
    return { ...place, quantities: place.quantities.map((quantity) => ({ ...quantity, ...stateOf(of, quantity) })) };
  });
  return { ...model, places };
}

function record(event: string, comparisons: readonly StoredComparison[]): object {
  const { modelName, modelVersion, station } = comparisons[0]!;
  const quantities = comparisons.map(({ quantity, images, psi, ks, p, level, acceptedLevel }) => ({ quantity, images, psi, ks, p, level, acceptedLevel }));
  return { event, model: modelName, version: modelVersion, station: station === ALL_STATIONS ? null : station, quantities };
}

function stationInWords({ modelName, modelVersion, station }: Place): string {
  return `${station === ALL_STATIONS ? 'all stations' : `station ${station}`} for ${modelName} ${modelVersion}`;
}

function inWords(comparisons: readonly StoredComparison[]): string {
  const changes = comparisons.map(({ quantity, psi, level, acceptedLevel }) => `${quantity} ${levelInWords(quantity, acceptedLevel)} -> ${levelInWords(quantity, level)} (PSI ${psi.toFixed(2)})`);
  return `${stationInWords(comparisons[0]!)} differs from what was accepted: ${changes.join(', ')}`;
}

export function levelInWords(quantity: string, level: number): string {
  return quantity === 'positive' ? `${(100 * level).toFixed(1)} %` : level.toFixed(3);
}

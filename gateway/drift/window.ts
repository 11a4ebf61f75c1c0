// The days that are compared, and what the histograms of these days say beside the accepted ones.
import { compare } from '../../ai/drift/compare.ts';
import { binsOf, QUANTITY_NAMES, type Quantity } from '../../ai/drift/quantities.ts';
import type { Reference } from '../../ai/drift/reference.ts';
import type { Settings } from '../../config/settings.ts';
import { addUp, ALL_STATIONS, type AcceptedHistogram, type Histogram } from '../../storage/drift.repository.ts';
import type { AcceptedFrom, DriftModel, DriftQuantity } from './report.ts';

const DAY_MILLISECONDS = 86_400_000;

/** YYYY-MM-DD in UTC, so many days before. */
export function dayBefore(moment: Date, days: number): string {
  return new Date(moment.getTime() - days * DAY_MILLISECONDS).toISOString().slice(0, 10);
}

/** Counts by quantity, as long as there are bins. */
export type Distributions = Map<Quantity, number[]>;

/** By station, and of all together under ALL_STATIONS. Quantities that this version does not know are left out. */
export function byStation(histograms: readonly Histogram[]): Map<string, Distributions> {
  const stations = new Map<string, Distributions>([[ALL_STATIONS, new Map()]]);
  for (const { station, quantity, counts } of histograms) {
    const known = QUANTITY_NAMES.find((name) => name === quantity);
    if (known === undefined) continue;
    for (const place of new Set([ALL_STATIONS, station])) {
      const distributions = stations.get(place) ?? new Map<Quantity, number[]>();
      stations.set(place, distributions);
      distributions.set(known, addUp(distributions.get(known) ?? Array<number>(binsOf(known)).fill(0), counts));
    }
  }
  return stations;
}

/** Each image has a probability, whatever else it lacks. */
export const imagesIn = (distributions: Distributions): number => countOf(distributions.get('probability') ?? []);
export const countOf = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);

export interface Accepted {
  /** By station, and of all under ALL_STATIONS; from the site. */
  site: readonly AcceptedHistogram[];
  package: Reference | undefined;
}

type Bounds = Pick<Settings['drift'], 'minImages' | 'maxStations'>;

/** A model's window beside what was accepted; nothing here has a state yet. */
export function compareModel(model: { name: string; version: string }, window: readonly Histogram[], accepted: Accepted, bounds: Bounds): DriftModel {
  const stations = byStation(window);
  const busiest = [...stations]
    .filter(([station]) => station !== ALL_STATIONS)
    .map(([station, distributions]) => ({ station, distributions, images: imagesIn(distributions) }))
    .toSorted((one, other) => other.images - one.images || (one.station < other.station ? -1 : 1));
  const shown = busiest.filter(({ images }) => images >= bounds.minImages).slice(0, bounds.maxStations);
  const all = stations.get(ALL_STATIONS)!;
  const places = [{ station: ALL_STATIONS, distributions: all, images: imagesIn(all) }, ...shown].map(({ station, distributions, images }) => {
    const { from, histograms } = acceptedOf(station, accepted);
    return { station: station === ALL_STATIONS ? null : station, images, accepted: from, quantities: compareQuantities(distributions, histograms, bounds.minImages) };
  });
  return { ...model, places, otherStations: busiest.length - shown.length };
}

function compareQuantities(recent: Distributions, accepted: Distributions, minImages: number): DriftQuantity[] {
  return QUANTITY_NAMES.flatMap((quantity) => {
    const [before, now] = [accepted.get(quantity) ?? [], recent.get(quantity) ?? []];
    const images = countOf(now);
    if (images < minImages || countOf(before) === 0) return [];
    return [{ quantity, images, ...compare(quantity, before, now), drifted: false, since: null }];
  });
}

/** The station's own distribution, else that of all stations of the site, else the package's. */
function acceptedOf(station: string, { site, package: brought }: Accepted): { from: AcceptedFrom | null; histograms: Distributions } {
  for (const place of new Set([station, ALL_STATIONS])) {
    const own = site.filter((histogram) => histogram.station === place);
    const [first] = own;
    if (first) return { from: { by: 'site', station: place === ALL_STATIONS ? null : place, from: first.from, to: first.to }, histograms: byStation(own).get(ALL_STATIONS)! };
  }
  if (!brought) return { from: null, histograms: new Map() };
  const histograms = QUANTITY_NAMES.flatMap((quantity) => {
    const counts = brought.histograms[quantity]?.counts;
    return counts ? [[quantity, counts] as const] : [];
  });
  return { from: { by: 'package', set: brought.set }, histograms: new Map(histograms) };
}

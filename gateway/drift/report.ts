// What /api/drift and `hilum drift` tell: for each model and station, how the last days compare with what was accepted.
import type { Comparison } from '../../ai/drift/compare.ts';
import type { Quantity } from '../../ai/drift/quantities.ts';

export interface DriftReport {
  windowDays: number;
  /** YYYY-MM-DD in UTC, both within. */
  from: string;
  to: string;
  minImages: number;
  /** Any quantity of any place has drifted. */
  drifted: boolean;
  models: DriftModel[];
}

export interface DriftModel {
  name: string;
  version: string;
  /** All stations together first, then those with enough images, the busiest first. */
  places: DriftPlaceReport[];
  /** Stations that sent images in these days and are not compared by themselves. */
  otherStations: number;
}

export interface DriftPlaceReport {
  /** null: all stations together. */
  station: string | null;
  images: number;
  accepted: AcceptedFrom | null;
  /** None where there are too few images or nothing was accepted. */
  quantities: DriftQuantity[];
}

/** site: a period accepted here, of this station or of all; package: the set that the package was accepted with. */
export type AcceptedFrom = { by: 'site'; station: string | null; from: string; to: string } | { by: 'package'; set: string };

export interface DriftQuantity extends Comparison {
  quantity: Quantity;
  images: number;
  drifted: boolean;
  /** Since when it is so; null before the first check. */
  since: string | null;
}

/** Where the report comes from; a web process asks the database, a test gives its own. */
export interface DriftSource {
  report(): Promise<DriftReport>;
}

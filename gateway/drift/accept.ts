// A period at the site becomes the accepted distribution.
import { ALL_STATIONS, type AcceptedHistogram, type DriftRepository } from '../../storage/drift.repository.ts';
import { byStation, countOf, imagesIn } from './window.ts';

export interface AcceptedPeriod {
  model: { name: string; version: string };
  /** Undefined: all stations together, and each that made enough images. */
  station: string | undefined;
  /** YYYY-MM-DD, both within. */
  from: string;
  to: string;
  minImages: number;
}

/** @returns what was accepted, null for all stations together; nothing where there are fewer images than wanted */
export async function acceptPeriod(repository: DriftRepository, { model, station, from, to, minImages }: AcceptedPeriod): Promise<{ station: string | null; images: number }[]> {
  await repository.fold();
  const enough = [...byStation(await repository.histograms(model, from, to))]
    .filter(([place]) => station === undefined || place === station)
    .map(([place, distributions]) => ({ place, distributions, images: imagesIn(distributions) }))
    .filter(({ images }) => images >= minImages);
  const histograms: AcceptedHistogram[] = enough.flatMap(({ place, distributions }) =>
    // A few images' spacings are no distribution that others are judged by, however many probabilities there are.
    [...distributions]
      .filter(([, counts]) => countOf(counts) >= minImages)
      .map(([quantity, counts]) => ({ modelName: model.name, modelVersion: model.version, station: place, quantity, counts, from, to })),
  );
  await repository.accept(histograms);
  return enough.map(({ place, images }) => ({ station: place === ALL_STATIONS ? null : place, images }));
}

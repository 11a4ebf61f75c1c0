// A model package with its thresholds opened: the analyzer then also tells what it found below them, which curves and average
// precision need. What the gateway would report is told from that by the manifest's own thresholds.
import type { AnalyzedOutcome } from '../analysis.ts';
import type { Manifest, ModelPackage } from '../runtime/manifest.ts';
import type { Rectangle, ScoredRectangle } from './figures/boxes.ts';

/** Regions below a fiftieth change no figure, and there are thousands of them. */
const LEAST_SCORE = 0.02;
/** The most that a manifest may ask for. */
const MOST_REGIONS = 100;

/** @param explicit the user named the model: what an image does not say of itself then excludes it from nothing */
export function openedModel(model: ModelPackage, explicit: boolean): ModelPackage {
  const { manifest } = model;
  const { boxes, mask } = manifest.outputs;
  const outputs = {
    ...manifest.outputs,
    ...(boxes && { boxes: { ...boxes, scoreThreshold: Math.min(boxes.scoreThreshold, LEAST_SCORE), maxRegions: MOST_REGIONS } }),
    ...(mask && { mask: { ...mask, maxRegions: MOST_REGIONS } }),
  };
  const { applicability } = manifest;
  const silent = (values: string[]): string[] => (values.includes('') ? values : [...values, '']);
  const lenient = {
    ...applicability,
    views: silent(applicability.views),
    bodyParts: silent(applicability.bodyParts),
    ageUnknown: 'accept' as const,
  };
  return {
    ...model,
    manifest: { ...manifest, outputs, operatingPoint: { ...manifest.operatingPoint, threshold: 0 }, applicability: explicit ? lenient : applicability },
  };
}

/** @param candidates what the opened model found, best first; @returns what the gateway reports with the manifest as it is */
export function reportedRegions(manifest: Manifest, probability: number, candidates: readonly ScoredRectangle[]): ScoredRectangle[] {
  if (probability < manifest.operatingPoint.threshold) return [];
  const { boxes, mask } = manifest.outputs;
  if (!boxes) return candidates.slice(0, mask?.maxRegions ?? 0);
  const strong = candidates.filter(({ score }) => score >= boxes.scoreThreshold);
  const [best] = candidates;
  // As selectBoxes has it: a positive image with a faint place is more use than one with none.
  if (strong.length === 0) return best && best.score >= boxes.scoreThreshold / 2 ? [best] : [];
  return strong.slice(0, boxes.maxRegions);
}

/** The label that the gateway gives the image, as outcomes have it: of the findings where it is positive, else of the others. */
export function reportedLabel(manifest: Manifest, { scores, probability }: Pick<AnalyzedOutcome, 'scores' | 'probability'>): string | undefined {
  const positive = probability >= manifest.operatingPoint.threshold;
  const labels = manifest.labels.filter((label) => label.positive === positive);
  return labels.reduce<string | undefined>((best, { name }) => (best === undefined || scores[name]! > scores[best]! ? name : best), undefined);
}

/** @returns what of a true box lies outside the image, in words; undefined where it lies within, to a pixel of rounding */
export function outsideImage({ x, y, width, height }: Rectangle, columns: number, rows: number): string | undefined {
  if (x >= -1 && y >= -1 && x + width <= columns + 1 && y + height <= rows + 1) return undefined;
  return `a box of ${width} x ${height} pixels at ${x}, ${y} reaches beyond the image of ${columns} x ${rows}`;
}

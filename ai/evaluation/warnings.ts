// What in a report a person must look at before the model goes live, in words, worst first.
import type { ModelEvaluation } from './model-evaluation.ts';
import { figureInWords, percent } from './words.ts';

/** With fewer patients of a kind, a rate's interval is wider than plus or minus ten percent. */
const FEW_PATIENTS = 100;
/** More than one image in twenty without an outcome: the figures are those of a chosen part. */
const UNANALYZED_SHARE = 0.05;
/** The project's own bar. */
const CALIBRATION_BAR = 0.05;

export interface WarningContext {
  wantedSensitivity: number;
  patients: { positive: number; negative: number };
}

export function warningsOf(report: Omit<ModelEvaluation, 'warnings'>, { wantedSensitivity, patients }: WarningContext): string[] {
  const { figures, images, subgroups, accepted } = report;
  const warnings: string[] = [];
  const { sensitivity, calibrationError } = figures;
  if (images.positive === 0 || images.negative === 0)
    warnings.push(`there are only ${images.positive === 0 ? 'negative' : 'positive'} images: half of the figures cannot be told`);
  if (sensitivity.high !== null && sensitivity.high < wantedSensitivity)
    warnings.push(`the sensitivity at the threshold of the manifest, ${figureInWords(sensitivity)}, is below the wanted ${percent(wantedSensitivity)}`);
  for (const { attribute, groups } of subgroups)
    for (const { value, warnings: found } of groups)
      for (const { figure, difference, standsCorrected } of found)
        warnings.push(
          `${attribute} ${value} falls off: ${NAMES[figure]} lower than in the rest by ${figureInWords({ value: -difference.value!, low: -difference.high!, high: -difference.low! })}` +
            (standsCorrected ? ', also allowing for all the comparisons made' : '; one of many comparisons, it may be chance'),
        );
  for (const [name, sets] of Object.entries(Object.groupBy(accepted, (figure) => figure.name)))
    // A model is accepted on sets that are not alike: it is as accepted where it is so on one of them.
    if (sets?.every(({ verdict }) => verdict === 'worse'))
      warnings.push(`${name} is worse than accepted: ${figureInWords(sets[0]!.here)}, not ${sets.map(({ set, accepted: figure }) => `${figure}${set === '' ? '' : ` (${set})`}`).join(' or ')}`);
  if (calibrationError.low !== null && calibrationError.low > CALIBRATION_BAR)
    warnings.push(`the probabilities are off by ${figureInWords(calibrationError)} in the mean: do not read them as chances at this site`);
  const unanalyzed = images.notAnalyzable + images.failed;
  if (unanalyzed > UNANALYZED_SHARE * images.listed)
    warnings.push(`${unanalyzed} of ${images.listed} images have no outcome (${images.notAnalyzable} not analysable, ${images.failed} failed): see what the figures become if they count as misses`);
  if (Math.min(patients.positive, patients.negative) < FEW_PATIENTS)
    warnings.push(`${patients.positive} patients with the finding and ${patients.negative} without: the intervals are wide, take more`);
  if (images.withoutPatient > 0)
    warnings.push(`the patient of ${images.withoutPatient} images is not known: each counts as one, so the intervals are too narrow if some have several`);
  return warnings;
}

const NAMES = { auc: 'AUC', sensitivity: 'sensitivity', specificity: 'specificity' } as const;

// Which of a route's models judge an image: one for children and one for adults take turns by the patient's age.
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { whyNotApplicable, whyNotOfAge } from './applicability.ts';
import type { Manifest, ModelPackage } from './manifest.ts';

export interface Choice {
  judges: ModelPackage[];
  leftOut: { model: ModelPackage; reason: string }[];
}

/**
 * A model that the patient's age excludes is left out where another one, which it does not exclude, takes the image, or says as
 * well that the image is for neither. Where no model is meant for the patient's age all of them judge, and each says why it
 * cannot: an image that a route takes is never left without an answer.
 */
export function chooseModels(models: readonly ModelPackage[], header: Dataset): Choice {
  const views = models.map((model) => ({ model, ...whyNot(header, model.manifest.applicability) }));
  const choice: Choice = { judges: [], leftOut: [] };
  for (const { model, ofAge, otherwise } of views) {
    const standsIn = views.some((other) => other.ofAge === undefined && (other.otherwise === undefined || otherwise !== undefined));
    if (ofAge !== undefined && standsIn) choice.leftOut.push({ model, reason: ofAge });
    else choice.judges.push(model);
  }
  return choice;
}

function whyNot(header: Dataset, applicability: Manifest['applicability']) {
  const { ageYears: _, ...atAnyAge } = applicability;
  return { ofAge: whyNotOfAge(header, applicability), otherwise: whyNotApplicable(header, atAnyAge) };
}

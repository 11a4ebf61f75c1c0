// Which studies get which models and go to which destinations: the first route whose conditions an image meets.
import type { Route } from '../../config/settings.ts';
import { items, text, texts, type Dataset } from '../../storage/dicom/dataset.ts';

/** CID 4031 and its SNOMED RT predecessors: region codes that say what Body Part Examined says as a word (PS3.16 annex L). */
const REGION_CODES: Record<string, string> = { '51185008': 'CHEST', '43799004': 'CHEST', 'T-D3000': 'CHEST', '39607008': 'LUNG', 'T-28000': 'LUNG' };

export function matchRoute(routes: Route[], header: Dataset): Route | undefined {
  return routes.find((route) => Object.entries(route.when).every(([keyword, accepted]) => meets(header, keyword, accepted)));
}

/** Why no route takes an image: the first condition of each route that it does not meet. */
export function explainNoRoute(routes: Route[], header: Dataset): string {
  const reasons = routes.map((route) => {
    const [keyword] = Object.entries(route.when).find(([key, accepted]) => !meets(header, key, accepted)) ?? ['', []];
    return `"${route.name}" does not take ${keyword} "${valuesOf(header, keyword).join('\\')}"`;
  });
  return `no route takes this image: ${reasons.join('; ') || 'there are no routes'}`;
}

function meets(header: Dataset, keyword: string, accepted: string[]): boolean {
  const values = valuesOf(header, keyword);
  return accepted.some((wanted) => values.some((value) => value.toUpperCase() === wanted.toUpperCase()));
}

function valuesOf(header: Dataset, keyword: string): string[] {
  const values = texts(header, keyword).filter((value) => value !== '');
  if (values.length > 0) return values;
  if (keyword !== 'BodyPartExamined') return [''];
  const regions = items(header, 'AnatomicRegionSequence').flatMap((region) => {
    const meaning = text(region, 'CodeMeaning');
    return REGION_CODES[text(region, 'CodeValue') ?? ''] ?? (meaning === undefined ? [] : meaning);
  });
  return regions.length > 0 ? regions : [''];
}

// The DICOM JSON model as text. Its attributes stand in the order of their tags (PS3.18 F.2.2), which JSON.stringify does not
// keep: JavaScript puts property names that look like array indices, as 20500020 does, before all others.
import type { Dataset, DicomElement, DicomValue } from './dataset.ts';

export function datasetJson(dataset: Dataset): string {
  const elements = Object.keys(dataset).toSorted().map((tag) => `"${tag}":${elementJson(dataset[tag]!)}`);
  return `{${elements.join(',')}}`;
}

function elementJson(element: DicomElement): string {
  if (element.vr !== 'SQ' || element.Value === undefined) return JSON.stringify(element);
  return `{"vr":"SQ","Value":[${element.Value.map(itemJson).join(',')}]}`;
}

const itemJson = (item: DicomValue): string => (item === null || typeof item !== 'object' ? JSON.stringify(item) : datasetJson(item as Dataset));

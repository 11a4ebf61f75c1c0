// A structured report as HTML (PS3.3 C.17.3): its content tree as nested lists, for people who have no viewer for reports at hand.
import { get, items, num, nums, personName, text, texts } from '../../storage/dicom/dataset.ts';
import type { Dataset, PersonName } from '../../storage/dicom/dataset.ts';

/** Templates of the standard are ten deep; what is nested deeper is not written out. */
const MAX_DEPTH = 40;
const STYLE =
  'body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430}' +
  'h1{font-size:1.4rem;margin:0 0 .5rem}dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;border-bottom:1px solid #ccd3dd;padding-bottom:1rem}' +
  'dt,.name{color:#566273}dd{margin:0}ul{list-style:none;padding-left:1.1rem;border-left:1px solid #e3e7ee;margin:.1rem 0}.part{font-weight:600}';

/** @param root address of the DICOMweb services, for links to images */
export function reportHtml(report: Dataset, root: string): string {
  const title = meaning(items(report, 'ConceptNameCodeSequence')[0]) ?? 'Structured report';
  const facts: [string, string | undefined][] = [
    ['Patient', nameOf(personName(report, 'PatientName'))],
    ['Patient ID', text(report, 'PatientID')],
    ['Born', text(report, 'PatientBirthDate')],
    ['Study', [text(report, 'StudyDate'), text(report, 'StudyDescription')].filter(Boolean).join(' ')],
    ['Accession number', text(report, 'AccessionNumber')],
    ['Made', [text(report, 'ContentDate'), text(report, 'ContentTime')].filter(Boolean).join(' ')],
    ['By', [text(report, 'Manufacturer'), text(report, 'ManufacturerModelName'), ...texts(report, 'SoftwareVersions')].filter(Boolean).join(' ')],
    ['State', [text(report, 'CompletionFlag'), text(report, 'VerificationFlag')].filter(Boolean).join(', ').toLowerCase()],
  ];
  const head = facts.filter(([, value]) => value).map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value!)}</dd>`);
  return (
    `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>${escaped(title)}</title><style>${STYLE}</style></head>` +
    `<body><h1>${escaped(title)}</h1><dl>${head.join('')}</dl>${contentHtml(report, linksOf(report, root), 0)}</body></html>\n`
  );
}

function contentHtml(parent: Dataset, links: ReadonlyMap<string, string>, depth: number): string {
  const children = items(parent, 'ContentSequence');
  if (children.length === 0) return '';
  if (depth >= MAX_DEPTH) return '<ul><li>…</li></ul>';
  return `<ul>${children.map((item) => `<li>${itemHtml(item, links)}${contentHtml(item, links, depth + 1)}</li>`).join('')}</ul>`;
}

function itemHtml(item: Dataset, links: ReadonlyMap<string, string>): string {
  const name = meaning(items(item, 'ConceptNameCodeSequence')[0]);
  const value = valueHtml(item, links);
  if (text(item, 'ValueType') === 'CONTAINER') return `<span class="part">${escaped(name ?? 'Part')}</span>`;
  return name ? `<span class="name">${escaped(name)}:</span> ${value}` : value;
}

function valueHtml(item: Dataset, links: ReadonlyMap<string, string>): string {
  const type = text(item, 'ValueType') ?? '';
  switch (type) {
    case 'TEXT':
      return escaped(text(item, 'TextValue') ?? '').replaceAll(/\r\n|[\r\n]/g, '<br>');
    case 'CODE':
      return escaped(meaning(items(item, 'ConceptCodeSequence')[0]) ?? '');
    case 'NUM': {
      const measured = items(item, 'MeasuredValueSequence')[0];
      if (!measured) return escaped(meaning(items(item, 'NumericValueQualifierCodeSequence')[0]) ?? 'no value');
      const unit = items(measured, 'MeasurementUnitsCodeSequence')[0];
      const shown = unit && text(unit, 'CodeValue') !== '1' ? ` ${text(unit, 'CodeValue') ?? ''}` : '';
      return escaped(`${text(measured, 'NumericValue') ?? num(measured, 'FloatingPointValue') ?? ''}${shown}`);
    }
    case 'PNAME':
      return escaped(nameOf(personName(item, 'PersonName')) ?? '');
    case 'DATE':
      return escaped(text(item, 'Date') ?? '');
    case 'TIME':
      return escaped(text(item, 'Time') ?? '');
    case 'DATETIME':
      return escaped(text(item, 'DateTime') ?? '');
    case 'UIDREF':
      return escaped(text(item, 'UID') ?? '');
    case 'SCOORD':
    case 'SCOORD3D':
      return escaped(`${(text(item, 'GraphicType') ?? '').toLowerCase()} ${nums(item, 'GraphicData').map((value) => Math.round(value * 10) / 10).join(', ')}`);
    case 'IMAGE':
    case 'COMPOSITE':
    case 'WAVEFORM':
      return referenceHtml(items(item, 'ReferencedSOPSequence')[0], type, links);
    default: {
      const reference = get(item, 'ReferencedContentItemIdentifier')?.Value?.join('.');
      return escaped(reference ? `see ${reference}` : type.toLowerCase());
    }
  }
}

function referenceHtml(reference: Dataset | undefined, type: string, links: ReadonlyMap<string, string>): string {
  const uid = reference && text(reference, 'ReferencedSOPInstanceUID');
  if (!uid) return escaped(type.toLowerCase());
  const frames = nums(reference, 'ReferencedFrameNumber');
  const words = escaped(`${type === 'IMAGE' ? 'image' : 'object'} ${uid}${frames.length > 0 ? `, frame ${frames.join(', ')}` : ''}`);
  const link = links.get(uid);
  return link === undefined ? words : `<a href="${escaped(`${link}${frames.length === 1 ? `/frames/${frames[0]}` : ''}/rendered`)}">${words}</a>`;
}

/** Addresses of the instances that the report is about (PS3.3 C.17.2, evidence). */
function linksOf(report: Dataset, root: string): Map<string, string> {
  const links = new Map<string, string>();
  for (const study of [...items(report, 'CurrentRequestedProcedureEvidenceSequence'), ...items(report, 'PertinentOtherEvidenceSequence')])
    for (const series of items(study, 'ReferencedSeriesSequence'))
      for (const sop of items(series, 'ReferencedSOPSequence')) {
        const uids = [text(study, 'StudyInstanceUID'), text(series, 'SeriesInstanceUID'), text(sop, 'ReferencedSOPInstanceUID')];
        if (uids.every((uid) => uid !== undefined)) links.set(uids[2]!, `${root}/studies/${uids[0]}/series/${uids[1]}/instances/${uids[2]}`);
      }
  return links;
}

function meaning(code: Dataset | undefined): string | undefined {
  return code && (text(code, 'CodeMeaning') ?? text(code, 'CodeValue') ?? text(code, 'LongCodeValue'));
}

function nameOf(name: PersonName | undefined): string | undefined {
  return name && [name.Alphabetic, name.Ideographic].filter(Boolean).map((group) => group!.split('^').filter(Boolean).join(', ')).join(' = ');
}

function escaped(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

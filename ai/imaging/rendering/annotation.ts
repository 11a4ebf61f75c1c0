// Annotations burned into a picture (PS3.18 8.3.5.1.1): who the patient is, and how the image was made.
import { num, personName, text } from '../../../storage/dicom/dataset.ts';
import type { Dataset } from '../../../storage/dicom/dataset.ts';
import { fitLine } from '../../results/overlay/lettering.ts';

export type AnnotationKeyword = 'patient' | 'technique';

/** SVG content for a picture of this size: the patient at the top left, the technique at the bottom left. */
export function annotationSvg(ds: Dataset, keywords: readonly AnnotationKeyword[], width: number, height: number): string {
  const size = Math.max(9, Math.min(28, Math.round(width / 36)));
  const step = size * 1.35;
  const top = keywords.includes('patient') ? patientLines(ds) : [];
  const bottom = keywords.includes('technique') ? techniqueLines(ds) : [];
  return [
    ...top.map((line, row) => written(line, size, step * (row + 1), width)),
    ...bottom.map((line, row) => written(line, size, height - step * (bottom.length - row - 0.65), width)),
  ].join('');
}

export function patientLines(ds: Dataset): string[] {
  const name = personName(ds, 'PatientName');
  const written = (name?.Alphabetic ?? name?.Ideographic ?? '').split('^').filter((part) => part !== '').join(', ');
  return lines([
    [written],
    [text(ds, 'PatientID')],
    [dateOf(text(ds, 'PatientBirthDate')), text(ds, 'PatientSex'), text(ds, 'PatientAge')],
  ]);
}

export function techniqueLines(ds: Dataset): string[] {
  const unit = (keyword: string, name: string): string | undefined => {
    const value = num(ds, keyword);
    return value === undefined ? undefined : `${value} ${name}`;
  };
  return lines([
    [text(ds, 'Modality'), text(ds, 'BodyPartExamined'), text(ds, 'ViewPosition'), text(ds, 'ImageLaterality') ?? text(ds, 'Laterality')],
    [unit('KVP', 'kV'), unit('ExposureInuAs', 'µAs') ?? unit('Exposure', 'mAs'), unit('ExposureTime', 'ms'), unit('DistanceSourceToDetector', 'mm')],
    [text(ds, 'SeriesDescription')],
    [dateOf(text(ds, 'AcquisitionDate') ?? text(ds, 'ContentDate') ?? text(ds, 'StudyDate')), timeOf(text(ds, 'AcquisitionTime') ?? text(ds, 'ContentTime') ?? text(ds, 'StudyTime'))],
  ]);
}

function lines(parts: (string | undefined)[][]): string[] {
  return parts.map((line) => line.filter((part) => part !== undefined && part !== '').join('  ')).filter((line) => line !== '');
}

/** 2026-01-31 of 20260131. */
function dateOf(value: string | undefined): string | undefined {
  return value && /^\d{8}$/.test(value) ? `${value.slice(0, 4)}-${value.slice(4, 6)}-${value.slice(6)}` : value;
}

function timeOf(value: string | undefined): string | undefined {
  return value && /^\d{4}/.test(value) ? `${value.slice(0, 2)}:${value.slice(2, 4)}` : value;
}

function written(line: string, size: number, baseline: number, width: number): string {
  const margin = size * 0.6;
  return lettersSvg(fitLine(line, size, width - 2 * margin, 'bold').path, margin, baseline, size);
}

/** White with a dark edge, so that it can be read on lung and on bone. */
export function lettersSvg(path: string, x: number, y: number, size: number, colour = '#fff'): string {
  return `<path transform="translate(${x.toFixed(1)} ${y.toFixed(1)})" d="${path}" fill="${colour}" stroke="#000" stroke-width="${(size / 6).toFixed(1)}" paint-order="stroke" stroke-linejoin="round"/>`;
}

// Content items of a Structured Report as nested datasets: the SR Document Content module, PS3.3 C.17.3.
import { dataset, type Dataset } from '../../../storage/dicom/dataset.ts';
import { codeItem, type Code } from '../codes.ts';

/** PS3.3 table C.17.3-8. */
export type Relationship =
  | 'CONTAINS'
  | 'HAS CONCEPT MOD'
  | 'HAS OBS CONTEXT'
  | 'HAS ACQ CONTEXT'
  | 'HAS PROPERTIES'
  | 'INFERRED FROM'
  | 'SELECTED FROM';

/** An instance, or one frame of a multi-frame instance. */
export interface ImageReference {
  sopClassUid: string;
  sopInstanceUid: string;
  /** From 1; only for multi-frame instances. */
  frame?: number;
}

interface ItemParts {
  type: string;
  relationship?: Relationship | undefined;
  name?: Code | undefined;
  values: Record<string, unknown>;
  children?: Dataset[] | undefined;
}

function contentItem({ type, relationship, name, values, children }: ItemParts): Dataset {
  return dataset({
    RelationshipType: relationship,
    ValueType: type,
    ConceptNameCodeSequence: name && [codeItem(name)],
    ...values,
    ContentSequence: children && children.length > 0 ? children : undefined,
  });
}

/** A heading with what is under it. `template` names a template of the DCMR (PS3.16). */
export function container(
  name: Code,
  children: Dataset[],
  options: { relationship?: Relationship; template?: string } = {},
): Dataset {
  return contentItem({
    type: 'CONTAINER',
    relationship: options.relationship,
    name,
    children,
    values: {
      ContinuityOfContent: 'SEPARATE',
      ContentTemplateSequence:
        options.template === undefined
          ? undefined
          : [dataset({ MappingResource: 'DCMR', TemplateIdentifier: options.template })],
    },
  });
}

/** Text in UT, which may have any length and line breaks; other control characters are not allowed there. */
export function textItem(relationship: Relationship, name: Code, text: string): Dataset {
  // oxlint-disable-next-line no-control-regex
  const value = text.replaceAll(/[\u0000-\u0009\u000B\u000C\u000E-\u001F\u007F]+/g, ' ').trim();
  return contentItem({ type: 'TEXT', relationship, name, values: { TextValue: value === '' ? 'not stated' : value } });
}

export function codedItem(relationship: Relationship, name: Code, value: Code | Dataset, children?: Dataset[]): Dataset {
  const concept = isCode(value) ? codeItem(value) : value;
  return contentItem({ type: 'CODE', relationship, name, children, values: { ConceptCodeSequence: [concept] } });
}

/** A number with its unit. @param value finite; kept to six decimals, which DS can hold (16 characters) */
export function numberItem(relationship: Relationship, name: Code, value: number, unit: Code, children?: Dataset[]): Dataset {
  const measured = dataset({ NumericValue: decimalString(value), MeasurementUnitsCodeSequence: [codeItem(unit)] });
  return contentItem({ type: 'NUM', relationship, name, children, values: { MeasuredValueSequence: [measured] } });
}

export function uidItem(relationship: Relationship, name: Code, uid: string): Dataset {
  return contentItem({ type: 'UIDREF', relationship, name, values: { UID: uid } });
}

/** @param date YYYYMMDD */
export function dateItem(relationship: Relationship, name: Code, date: string): Dataset {
  return contentItem({ type: 'DATE', relationship, name, values: { Date: date } });
}

/** @param time HHMMSS[.FFFFFF] */
export function timeItem(relationship: Relationship, name: Code, time: string): Dataset {
  return contentItem({ type: 'TIME', relationship, name, values: { Time: time } });
}

export function imageItem(relationship: Relationship, image: ImageReference, children?: Dataset[], name?: Code): Dataset {
  const reference = dataset({
    ReferencedSOPClassUID: image.sopClassUid,
    ReferencedSOPInstanceUID: image.sopInstanceUid,
    ReferencedFrameNumber: image.frame === undefined ? undefined : String(image.frame),
  });
  return contentItem({ type: 'IMAGE', relationship, name, children, values: { ReferencedSOPSequence: [reference] } });
}

/**
 * A closed polyline on an image (PS3.3 C.18.6).
 * @param points columns and rows of the stored image; 0,0 is the top-left corner of the top-left pixel
 */
export function polylineItem(
  relationship: Relationship,
  name: Code,
  points: readonly (readonly [x: number, y: number])[],
  image: ImageReference,
): Dataset {
  return contentItem({
    type: 'SCOORD',
    relationship,
    name,
    values: { GraphicData: points.flat(), GraphicType: 'POLYLINE' },
    children: [imageItem('SELECTED FROM', image)],
  });
}

/** At most six decimals, without an exponent and without trailing zeros. */
export function decimalString(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`${value} cannot be written as a decimal string`);
  const text = value.toFixed(6).replace(/\.?0+$/, '');
  return text === '-0' ? '0' : text;
}

function isCode(value: Code | Dataset): value is Code {
  return typeof value['scheme'] === 'string';
}

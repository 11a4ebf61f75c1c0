// Which column of a list is what: data sets name them in their own way (docs/evaluation.md lists the names).
import { EvaluationInputError } from './case.ts';

/** In the order in which they are taken; written as in plainColumn. */
const ALIASES = {
  file: ['file', 'path', 'filepath', 'image', 'imagepath', 'imagefile', 'filename', 'dicom', 'imageid', 'imageindex'],
  label: ['label', 'truth', 'target', 'class', 'finding', 'diagnosis', 'groundtruth'],
  patient: ['patient', 'patientid', 'subject', 'subjectid', 'person', 'personid'],
  age: ['age', 'patientage', 'ageyears'],
  sex: ['sex', 'gender', 'patientsex', 'patientgender'],
  view: ['view', 'viewposition', 'projection'],
  manufacturer: ['manufacturer', 'vendor'],
  frame: ['frame'],
  use: ['useasnegative'],
  x: ['x', 'xmin', 'x1', 'left'],
  y: ['y', 'ymin', 'y1', 'top'],
  width: ['w', 'width', 'boxwidth'],
  height: ['h', 'height', 'boxheight'],
  right: ['xmax', 'x2', 'right'],
  bottom: ['ymax', 'y2', 'bottom'],
} as const;

export type Role = keyof typeof ALIASES;
/** The column of each role, as the head writes it. */
export type Columns = Partial<Record<Role, string>>;

function plainColumn(column: string): string {
  return column.toLowerCase().replace(/[^a-z0-9]/g, '');
}

/**
 * @param path of the list, for errors
 * @throws {EvaluationInputError} where the file or the label has no column, or a box has only some of its own
 */
export function columnsOf(head: readonly string[], path: string): Columns {
  const named = new Map(head.map((column) => [plainColumn(column), column]));
  const columns: Columns = {};
  for (const role of Object.keys(ALIASES) as Role[]) {
    const found = ALIASES[role].find((alias) => named.has(alias));
    if (found !== undefined) columns[role] = named.get(found)!;
  }
  // The list of the RSNA challenge names each image, and file, by its patient.
  if (columns.file === undefined && columns.patient !== undefined && plainColumn(columns.patient) === 'patientid') columns.file = columns.patient;
  for (const role of ['file', 'label'] as const)
    if (columns[role] === undefined)
      throw new EvaluationInputError(`${path} row 1: there is no column for the ${role} (${ALIASES[role].join(', ')}); there are ${head.join(', ')}`);
  const box = { x: columns.x, y: columns.y, width: columns.width ?? columns.right, height: columns.height ?? columns.bottom };
  const missing = Object.entries(box).find(([, column]) => column === undefined);
  // Width and height alone may be those of the image.
  if (missing && (columns.x !== undefined || columns.y !== undefined))
    throw new EvaluationInputError(`${path} row 1: boxes need columns x, y, width and height; there is none for ${missing[0]}`);
  if (missing) for (const role of ['x', 'y', 'width', 'height', 'right', 'bottom'] as const) delete columns[role];
  return columns;
}

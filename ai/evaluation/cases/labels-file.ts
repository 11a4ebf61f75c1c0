// A list of images with their truth: a CSV, one row an image or, where there are boxes, one row a box.
import { dirname, isAbsolute } from 'node:path';
import { EvaluationInputError } from './case.ts';
import type { CaseBox, EvaluationCase } from './case.ts';
import { columnsOf } from './columns.ts';
import type { Columns, Role } from './columns.ts';
import { FileFinder } from './file-finder.ts';
import { patientOfName } from './patient-of-name.ts';
import { readTable } from './table.ts';
import type { TableRow } from './table.ts';

export interface LabelsFile {
  cases: EvaluationCase[];
  leftOut: { name: string; reason: string }[];
  hasBoxes: boolean;
}

/**
 * @param by columns that sub-groups are wanted by
 * @throws {EvaluationInputError} naming file, row and column
 */
export async function readLabelsFile(path: string, by: readonly string[]): Promise<LabelsFile> {
  const table = await readTable(path);
  const columns = columnsOf(table.columns, path);
  for (const column of by)
    if (!table.columns.includes(column)) throw new EvaluationInputError(`${path} row 1: there is no column "${column}" (--by); there are ${table.columns.join(', ')}`);
  const finder = new FileFinder(dirname(path));
  const reader = new RowReader(path, columns, by);
  const found = new Map<string, EvaluationCase>();
  const leftOut = new Map<string, string>();
  for (const row of table.rows) {
    const name = reader.required(row, 'file');
    if (reader.value(row, 'use') === '0') {
      leftOut.set(name, `${columns.use} is 0`);
      continue;
    }
    const frame = reader.number(row, 'frame') ?? 1;
    const known = found.get(`${name}#${frame}`);
    if (known) {
      reader.join(known, row);
      continue;
    }
    const file = await finder.find(name);
    if (file === undefined) throw reader.problem(row, 'file', isAbsolute(name) ? `there is no file "${name}"` : `there is no file "${name}" below ${dirname(path)}`);
    if (typeof file !== 'string') throw reader.problem(row, 'file', `"${name}" may be ${file.several.slice(0, 2).join(' or ')}`);
    found.set(`${name}#${frame}`, reader.newCase(row, name, file, frame));
  }
  const cases = [...found.values()];
  return { cases, leftOut: [...leftOut].map(([name, reason]) => ({ name, reason })), hasBoxes: cases.some(({ boxes }) => boxes.length > 0) };
}

/** What of an image must be the same in all of its rows. */
const ATTRIBUTES = ['patient', 'age', 'sex', 'view', 'manufacturer'] as const satisfies Role[];

class RowReader {
  readonly #path: string;
  readonly #columns: Columns;
  readonly #by: readonly string[];
  readonly #first = new Map<EvaluationCase, TableRow>();

  constructor(path: string, columns: Columns, by: readonly string[]) {
    this.#path = path;
    this.#columns = columns;
    this.#by = by;
  }

  problem({ line }: TableRow, role: Role, problem: string): EvaluationInputError {
    return new EvaluationInputError(`${this.#path} row ${line}, column ${this.#columns[role]}: ${problem}`);
  }

  value(row: TableRow, role: Role): string {
    const column = this.#columns[role];
    return column === undefined ? '' : row.values[column]!;
  }

  required(row: TableRow, role: Role): string {
    const value = this.value(row, role);
    if (value === '') throw this.problem(row, role, 'is empty');
    return value;
  }

  number(row: TableRow, role: Role): number | undefined {
    const value = this.value(row, role);
    if (value === '') return undefined;
    const number = Number(value);
    if (!Number.isFinite(number)) throw this.problem(row, role, `"${value}" is not a number`);
    if (role === 'frame' && !(Number.isInteger(number) && number > 0)) throw this.problem(row, role, `"${value}" is not the number of a frame (from 1)`);
    return number;
  }

  newCase(row: TableRow, name: string, path: string, frame: number): EvaluationCase {
    const listed = this.value(row, 'patient');
    const patient = listed || patientOfName(name);
    const [sex, view, manufacturer] = [this.value(row, 'sex'), this.value(row, 'view'), this.value(row, 'manufacturer')];
    const ageYears = this.#age(row);
    const box = this.#box(row);
    const made: EvaluationCase = {
      name,
      path,
      told: `${this.#path} row ${row.line}`,
      words: [this.required(row, 'label')],
      boxes: box ? [box] : [],
      frame,
      ...(patient === undefined ? {} : { patient, ...(listed === '' ? { patientByName: true } : {}) }),
      ...(ageYears === undefined ? {} : { ageYears }),
      ...(sex === '' ? {} : { sex }),
      ...(view === '' ? {} : { view }),
      ...(manufacturer === '' ? {} : { manufacturer }),
      columns: Object.fromEntries(this.#by.map((column) => [column, row.values[column]!])),
    };
    this.#first.set(made, row);
    return made;
  }

  /** A further row of an image: another box, or another label. */
  join(known: EvaluationCase, row: TableRow): void {
    const first = this.#first.get(known)!;
    for (const role of ATTRIBUTES)
      if (this.value(row, role) !== this.value(first, role))
        throw this.problem(row, role, `"${known.name}" has "${this.value(row, role)}" here and "${this.value(first, role)}" in row ${first.line}`);
    const word = this.required(row, 'label');
    if (!known.words.includes(word)) known.words.push(word);
    const box = this.#box(row);
    if (box) known.boxes.push(box);
  }

  #box(row: TableRow): CaseBox | undefined {
    const [x, y] = [this.number(row, 'x'), this.number(row, 'y')];
    const [right, bottom] = [this.number(row, 'right'), this.number(row, 'bottom')];
    const width = this.#columns.width === undefined ? difference(right, x) : this.number(row, 'width');
    const height = this.#columns.height === undefined ? difference(bottom, y) : this.number(row, 'height');
    const sides = { x, y, width, height };
    const given = Object.values(sides).filter((side) => side !== undefined);
    if (given.length === 0) return undefined;
    for (const role of ['x', 'y', 'width', 'height'] as const) if (sides[role] === undefined) throw this.problem(row, this.#sideOf(role), 'is empty, but the box is there');
    const box = { x: x!, y: y!, width: width!, height: height!, word: this.value(row, 'label') };
    for (const role of ['width', 'height'] as const) if (box[role] <= 0) throw this.problem(row, this.#sideOf(role), `a box with a ${role} of ${box[role]}`);
    return box;
  }

  #sideOf(role: 'x' | 'y' | 'width' | 'height'): Role {
    if (this.#columns[role] !== undefined) return role;
    return role === 'width' ? 'right' : 'bottom';
  }

  /** Years, or as DICOM has them (AS): 045Y, 006M. */
  #age(row: TableRow): number | undefined {
    const coded = /^(\d{1,3})([DWMY])$/i.exec(this.value(row, 'age'));
    if (coded) return Number(coded[1]) / { D: 365.25, W: 365.25 / 7, M: 12, Y: 1 }[coded[2]!.toUpperCase() as 'D' | 'W' | 'M' | 'Y'];
    const years = this.number(row, 'age');
    if (years !== undefined && (years < 0 || years > 130)) throw this.problem(row, 'age', `"${years}" is no age in years`);
    return years;
  }
}

function difference(end: number | undefined, start: number | undefined): number | undefined {
  return end === undefined || start === undefined ? undefined : end - start;
}

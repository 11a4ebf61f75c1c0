// A table in a text file (RFC 4180): comma, semicolon or tab, quotes, UTF-8 with or without a byte order mark.
import { readFile } from 'node:fs/promises';
import { EvaluationInputError } from './case.ts';

export interface TableRow {
  /** Line of the file at which it begins, from 1. */
  line: number;
  /** By column as the head writes it, without spaces around. */
  values: Record<string, string>;
}
export interface Table {
  columns: string[];
  rows: TableRow[];
}

/** @throws {EvaluationInputError} */
export async function readTable(path: string): Promise<Table> {
  let content: string;
  try {
    content = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (cause) {
    throw new EvaluationInputError(`${path}: ${readingProblem(cause as NodeJS.ErrnoException)}`, { cause });
  }
  const records = [...parse(content, path)];
  const head = records.shift();
  if (!head) throw new EvaluationInputError(`${path}: the file is empty`);
  const columns = head.fields.map((field) => field.trim());
  const twice = columns.find((column, index) => column !== '' && columns.indexOf(column) < index);
  if (twice !== undefined) throw new EvaluationInputError(`${path} row 1: column "${twice}" is there twice`);
  const rows = records.map(({ line, fields }) => {
    if (fields.length !== columns.length)
      throw new EvaluationInputError(`${path} row ${line}: ${fields.length} values for ${columns.length} columns`);
    return { line, values: Object.fromEntries(columns.map((column, index) => [column, fields[index]!.trim()])) };
  });
  if (rows.length === 0) throw new EvaluationInputError(`${path}: there is no row below the head`);
  return { columns, rows };
}

function readingProblem(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return 'there is no such file';
  if (error.code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return 'is not text in UTF-8';
  return error.message;
}

interface Line {
  line: number;
  fields: string[];
}

function* parse(content: string, path: string): Generator<Line> {
  const separator = separatorOf(content);
  let [fields, field, line, begun, at]: [string[], string, number, number, number] = [[], '', 1, 1, 0];
  const end = (): Line => {
    const record = { line: begun, fields: [...fields, field] };
    [fields, field, begun] = [[], '', line];
    return record;
  };
  while (at < content.length) {
    const character = content[at]!;
    if (character === '"' && field.trim() === '') {
      const quoted = quotedField(content, at, `${path} row ${begun}`);
      [field, at] = [quoted.value, quoted.next];
      line += quoted.value.split('\n').length - 1;
    } else if (character === separator) {
      fields.push(field);
      [field, at] = ['', at + 1];
    } else if (character === '\n' || character === '\r') {
      at += character === '\r' && content[at + 1] === '\n' ? 2 : 1;
      line += 1;
      const record = end();
      if (record.fields.some((value) => value.trim() !== '')) yield record;
    } else {
      field += character;
      at += 1;
    }
  }
  if (field !== '' || fields.length > 0) yield end();
}

function quotedField(content: string, from: number, where: string): { value: string; next: number } {
  let value = '';
  for (let at = from + 1; at < content.length; at++) {
    if (content[at] !== '"') value += content[at];
    else if (content[at + 1] === '"') value += content[(at += 1)];
    else return { value, next: at + 1 };
  }
  throw new EvaluationInputError(`${where}: a quote is not closed`);
}

/** The one that stands most often in the head. */
function separatorOf(content: string): string {
  const [head = ''] = content.split(/[\r\n]/, 1);
  const count = (separator: string): number => head.split(separator).length;
  return [',', ';', '\t'].reduce((best, other) => (count(other) > count(best) ? other : best));
}

// What the user points at: a list, a folder with a list, or a folder of classes.
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EvaluationInputError } from './case.ts';
import type { CaseList, EvaluationCase } from './case.ts';
import { readClassFolders } from './class-folders.ts';
import { readLabelsFile } from './labels-file.ts';

/** The list that a folder may hold. */
const LIST = 'labels.csv';

/**
 * @param by columns of the list that sub-groups are wanted by
 * @throws {EvaluationInputError}
 */
export async function readCases(data: string, by: readonly string[]): Promise<CaseList> {
  const entry = await stat(data).catch((cause: NodeJS.ErrnoException) => {
    throw new EvaluationInputError(`${data}: ${cause.code === 'ENOENT' ? 'there is no such file or folder' : cause.message}`, { cause });
  });
  const list = entry.isDirectory() ? join(data, LIST) : data;
  if (!entry.isDirectory() || (await stat(list).then((file) => file.isFile(), () => false))) {
    const found = await readLabelsFile(list, by);
    return { source: list, ...found, digest: digestOf(found.cases) };
  }
  if (by.length > 0) throw new EvaluationInputError(`${data}: --by ${by[0]} needs a list with that column (${LIST})`);
  const found = await readClassFolders(data);
  return { source: data, ...found, digest: digestOf(found.cases), hasBoxes: false };
}

function digestOf(cases: readonly EvaluationCase[]): string {
  const hash = createHash('sha256');
  for (const { name, frame, words, boxes } of cases) hash.update(`${JSON.stringify([name, frame, words, boxes])}\n`);
  return hash.digest('hex');
}

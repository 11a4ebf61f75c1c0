// A folder with a folder for each class: NORMAL and PNEUMONIA as Kermany has it, negative and positive, or a model's labels.
import { readdir } from 'node:fs/promises';
import { basename, extname, join, relative } from 'node:path';
import { EvaluationInputError } from './case.ts';
import type { EvaluationCase } from './case.ts';
import { kindOf, plain } from './meaning.ts';
import { patientOfName } from './patient-of-name.ts';

/** What lies beside images and is none. */
const NO_IMAGES = new Set(['.txt', '.csv', '.tsv', '.json', '.md', '.xml', '.db', '.ini', '.htm', '.html', '.pdf', '.zip', '.yaml', '.yml', '.xls', '.xlsx', '.log']);

/** The folders above those of the classes, as data sets come. */
const SETS = new Set(['train', 'training', 'val', 'valid', 'validation', 'test', 'testing']);

export interface ClassFolders {
  cases: EvaluationCase[];
  leftOut: { name: string; reason: string }[];
}

/** @throws {EvaluationInputError} */
export async function readClassFolders(folder: string): Promise<ClassFolders> {
  const entries = await readdir(folder, { withFileTypes: true });
  const classes = entries.filter((entry) => !entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => name).sort();
  if (classes.length === 0)
    throw new EvaluationInputError(`${folder}: there is neither labels.csv nor a folder for each class (such as NORMAL and PNEUMONIA)`);
  if (classes.every((name) => SETS.has(name.toLowerCase()))) throw new EvaluationInputError(`${folder}: ${classes.join(', ')} are sets, not classes: give one of them`);
  const found: ClassFolders = { cases: [], leftOut: [] };
  for (const entry of entries) if (entry.isFile()) found.leftOut.push({ name: entry.name, reason: 'in no folder of a class' });
  for (const name of classes) {
    const before = found.cases.length;
    await readClass(folder, name, found);
    if (found.cases.length === before) throw new EvaluationInputError(`${join(folder, name)}: there is no image in it`);
  }
  return found;
}

async function readClass(folder: string, label: string, found: ClassFolders): Promise<void> {
  const entries = await readdir(join(folder, label), { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.')).map((entry) => join(entry.parentPath, entry.name));
  for (const path of files.sort()) {
    const name = relative(folder, path);
    if (NO_IMAGES.has(extname(path).toLowerCase()) || ['DICOMDIR', 'Thumbs.db'].includes(basename(path))) {
      found.leftOut.push({ name, reason: 'no image' });
      continue;
    }
    const patient = patientOfName(basename(path));
    found.cases.push({
      name,
      path,
      told: `folder ${join(folder, label)}`,
      words: [kindInName(label, basename(path)) ?? label],
      boxes: [],
      frame: 1,
      ...(patient === undefined ? {} : { patient, patientByName: true }),
      columns: {},
    });
  }
}

/** In Kermany's set the file name tells the kind of the pneumonia: person12_bacteria_41.jpeg. */
function kindInName(label: string, name: string): string | undefined {
  if (plain(label) !== 'pneumonia') return undefined;
  return /_(bacteria|virus)_/.exec(name)?.slice(1).map(kindOf)[0];
}

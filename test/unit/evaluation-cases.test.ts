// What `hilum evaluate` makes of the lists and folders that people have.
import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { attributesOf, patientOf } from '../../ai/evaluation/attributes.ts';
import { bandsOf } from '../../ai/evaluation/bands.ts';
import { EvaluationInputError } from '../../ai/evaluation/cases/case.ts';
import type { CaseList } from '../../ai/evaluation/cases/case.ts';
import { meaningOf } from '../../ai/evaluation/cases/meaning.ts';
import { readCases } from '../../ai/evaluation/cases/read-cases.ts';
import { outsideImage } from '../../ai/evaluation/opened-model.ts';
import { truthOf } from '../../ai/evaluation/truth.ts';
import type { Label, Manifest } from '../../ai/runtime/manifest.ts';
import { dataset } from '../../storage/dicom/dataset.ts';
import { inTemporaryFolder } from '../support/temporary-folder.ts';

const code = { value: 'x', scheme: 'x', meaning: 'x' };
const labels = (...names: string[]): { name: string; labels: Label[] } => ({
  name: 'some-model',
  labels: names.map((name) => ({ name: name.replace('+', ''), positive: name.startsWith('+'), code })),
});
const OPACITY = labels('+opacity') as Manifest;
const THREE = labels('normal', '+bacterial', '+viral') as Manifest;

/** Files of any content, by path. */
async function laidOut<T>(files: Record<string, string>, run: (folder: string) => Promise<T>): Promise<T> {
  return inTemporaryFolder(async (folder) => {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(join(folder, path, '..'), { recursive: true });
      await writeFile(join(folder, path), content);
    }
    return run(folder);
  });
}
const read = (files: Record<string, string>, name = '', by: string[] = []): Promise<CaseList> => laidOut(files, (folder) => readCases(join(folder, name), by));
async function refused(files: Record<string, string>, expected: RegExp, name = '', by: string[] = []): Promise<void> {
  await assert.rejects(read(files, name, by), (error: Error) => {
    assert.ok(error instanceof EvaluationInputError, error.stack);
    assert.match(error.message, expected);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  });
}

describe('data of the evaluation: folders of classes', () => {
  it('reads the layout of Kermany: patients and kinds from the names of the files, no image left out unsaid', async () => {
    const { cases, leftOut } = await read({
      'NORMAL/IM-0115-0001.jpeg': '', 'NORMAL/NORMAL2-IM-0117-0001.jpeg': '', 'NORMAL/Thumbs.db': '',
      'PNEUMONIA/person1_bacteria_2.jpeg': '', 'PNEUMONIA/person1_virus_6.jpeg': '', 'notes.txt': '',
    });
    assert.deepEqual(
      cases.map(({ name, words, patient }) => [name, words, patient]),
      [
        ['NORMAL/IM-0115-0001.jpeg', ['NORMAL'], 'IM-0115'],
        ['NORMAL/NORMAL2-IM-0117-0001.jpeg', ['NORMAL'], 'IM-0117'],
        ['PNEUMONIA/person1_bacteria_2.jpeg', ['bacterial'], 'person1'],
        ['PNEUMONIA/person1_virus_6.jpeg', ['viral'], 'person1'],
      ],
    );
    assert.deepEqual(leftOut.map(({ name, reason }) => `${name}: ${reason}`).sort(), ['NORMAL/Thumbs.db: no image', 'notes.txt: in no folder of a class']);
  });

  it('follows links, and goes into folders of patients', async () => {
    await laidOut({ 'elsewhere/a.dcm': '', 'data/positive/patient 1/b.dcm': '', 'data/negative/c.dcm': '' }, async (folder) => {
      await symlink(join(folder, 'elsewhere/a.dcm'), join(folder, 'data/negative/a.dcm'));
      const { cases } = await readCases(join(folder, 'data'), []);
      assert.deepEqual(cases.map(({ name }) => name), ['negative/a.dcm', 'negative/c.dcm', 'positive/patient 1/b.dcm']);
    });
  });

  it('refuses what is no folder of classes, and names it', async () => {
    await refused({ 'a.png': '' }, /: there is neither labels\.csv nor a folder for each class/);
    await refused({ 'test/NORMAL/a.png': '', 'train/NORMAL/b.png': '' }, /: test, train are sets, not classes: give one of them$/);
    await refused({ 'NORMAL/a.png': '', 'PNEUMONIA/x.txt': '' }, /PNEUMONIA: there is no image in it/);
    await refused({}, /nowhere: there is no such file or folder/, 'nowhere');
    await refused({ 'NORMAL/a.png': '', 'PNEUMONIA/b.png': '' }, /--by site needs a list/, '', ['site']);
  });
});

describe('data of the evaluation: lists', () => {
  it('takes a box a row, and one row for what has none', async () => {
    const { cases, hasBoxes } = await read({
      'labels.csv': 'image,label,x,y,w,h,width,height,patient_id\na.png,opacity,1,2,30,40,256,256,p1\na.png,opacity,50,2,30,40.5,256,256,p1\nb.png,none,,,,,256,256,p2\n',
      'a.png': '', 'b.png': '',
    });
    assert.equal(hasBoxes, true);
    assert.deepEqual(cases[0]!.boxes, [{ x: 1, y: 2, width: 30, height: 40, word: 'opacity' }, { x: 50, y: 2, width: 30, height: 40.5, word: 'opacity' }]);
    assert.deepEqual([cases.length, cases[0]!.patient, cases[1]!.boxes, cases[1]!.told.endsWith('labels.csv row 4')], [2, 'p1', [], true]);
  });

  it('reads the list of the RSNA challenge, whose files are named by identifiers', async () => {
    const { cases } = await read(
      { 'stage_2_train_labels.csv': 'patientId,x,y,width,height,Target\n0004cfab,,,,,0\n00436515,264.0,152.0,213.0,379.0,1\n', 'stage_2_train_images/0004cfab.dcm': '', 'stage_2_train_images/00436515.dcm': '' },
      'stage_2_train_labels.csv',
    );
    assert.deepEqual(cases.map(({ path, words, patient, boxes }) => [path.split('/').at(-1), words, patient, boxes.length]), [['0004cfab.dcm', ['0'], '0004cfab', 0], ['00436515.dcm', ['1'], '00436515', 1]]);
  });

  it('takes corners, semicolons, quotes, a byte order mark, and columns in any case', async () => {
    const { cases } = await read(
      { 'list.csv': '\ufeffFile;Truth;x_min;y_min;x_max;y_max;Age;Sex;View;Site\r\n"a ""1"".png";pneumonia;10;20;40;60;045Y;F;AP;north\r\n\r\nb.png;normal;;;;;0.5;m;;south\r\n', 'a "1".png': '', 'b.png': '' },
      'list.csv',
      ['Site'],
    );
    assert.deepEqual(cases[0]!.boxes[0], { x: 10, y: 20, width: 30, height: 40, word: 'pneumonia' });
    assert.deepEqual(cases.map(({ name, ageYears, sex, view, columns }) => ({ name, ageYears, sex, view, columns })), [
      { name: 'a "1".png', ageYears: 45, sex: 'F', view: 'AP', columns: { Site: 'north' } },
      { name: 'b.png', ageYears: 0.5, sex: 'm', view: undefined, columns: { Site: 'south' } },
    ]);
  });

  it('finds files, and the patients that their names tell, by paths as Windows writes them', async () => {
    const { cases } = await read({ 'list.csv': 'file;label\r\ntest\\NORMAL\\IM-0115-0001.jpeg;0\r\n', 'test/NORMAL/IM-0115-0001.jpeg': '' }, 'list.csv');
    assert.deepEqual(cases.map(({ path, patient }) => [path.split('/').at(-1), patient]), [['IM-0115-0001.jpeg', 'IM-0115']]);
  });

  it('leaves out what is no sure negative, and says so', async () => {
    const { cases, leftOut } = await read({ 'labels.csv': 'image,label,use_as_negative\na.png,none,0\nb.png,none,1\nc.png,opacity,\n', 'b.png': '', 'c.png': '' });
    assert.deepEqual([cases.map(({ name }) => name), leftOut], [['b.png', 'c.png'], [{ name: 'a.png', reason: 'use_as_negative is 0' }]]);
  });

  it('names file, row and column of what is wrong', async () => {
    const list = (rows: string, head = 'file,label,x,y,width,height,age'): Record<string, string> => ({ 'labels.csv': `${head}\n${rows}\n`, 'a.png': '', 'b/same.png': '', 'c/same.png': '' });
    await refused(list('a.png,1', 'file,verdict'), /labels\.csv row 1: there is no column for the label \(label, truth, .*\); there are file, verdict/);
    await refused(list('a.png,1,A', 'flie,label,patient'), /row 1: there is no column for the file \(file, .*\); there are flie, label, patient/);
    await refused(list('a.png,1,3', 'file,label,x'), /row 1: boxes need columns x, y, width and height; there is none for y/);
    await refused(list('a.png,,,,,,'), /labels\.csv row 2, column label: is empty/);
    await refused(list('a.png,1,,,,,\nz.png,1,,,,,'), /row 3, column file: there is no file "z\.png" below/);
    await refused(list('/no/where.png,1,,,,,'), /row 2, column file: there is no file "\/no\/where\.png"$/);
    await refused(list('same.png,1,,,,,'), /row 2, column file: "same\.png" may be .*b\/same\.png or .*c\/same\.png/);
    await refused(list('a.png,1,3,4,,7,'), /row 2, column width: is empty, but the box is there/);
    await refused(list('a.png,1,3,4,0,7,'), /row 2, column width: a box with a width of 0/);
    await refused(list('a.png,1,3,four,5,7,'), /row 2, column y: "four" is not a number/);
    await refused(list('a.png,1,,,,,430'), /row 2, column age: "430" is no age in years/);
    await refused(list('a.png,1,,,,,4\na.png,1,,,,,5'), /row 3, column age: "a\.png" has "5" here and "4" in row 2/);
    await refused(list('a.png,1'), /labels\.csv row 2: 2 values for 7 columns/);
    await refused(list('"a.png,1'), /labels\.csv row 2: a quote is not closed/);
    await refused(list('a.png,1,,,,,', 'file,label,x,y,width,height,file'), /row 1: column "file" is there twice/);
    await refused(list('a.png,1,,,,,'), /there is no column "site" \(--by\)/, '', ['site']);
    await refused({ 'labels.csv': 'file,label\n' }, /there is no row below the head/);
    await refused({ 'labels.csv': '' }, /the file is empty/);
  });

  it('has one digest for one truth', async () => {
    const files = { 'labels.csv': 'file,label\na.png,1\n', 'a.png': '' };
    const [one, same, other] = [await read(files), await read(files), await read({ ...files, 'labels.csv': 'file,label\na.png,0\n' })];
    assert.equal(one.digest, same.digest);
    assert.notEqual(one.digest, other.digest);
  });
});

describe('data of the evaluation: what labels mean', () => {
  const says = (word: string, manifest: Manifest, map: [string, string][] = []): unknown => {
    const meaning = meaningOf(word, manifest, new Map(map));
    return typeof meaning === 'object' ? `${meaning.positive ? 'positive' : 'negative'} ${meaning.label ?? '?'}` : meaning;
  };

  it('knows common words in any case and spelling', () => {
    for (const word of ['1', 'PNEUMONIA', 'Lung_Opacity', 'positive', 'YES', 'covid-19', 'bacteria']) assert.equal(says(word, OPACITY), 'positive opacity');
    for (const word of ['0', 'NORMAL', 'No Finding', 'negative', 'no_lung_opacity', 'No Lung Opacity / Not Normal', 'false']) assert.equal(says(word, OPACITY), 'negative ?');
  });

  it('gives a class to what a model of three labels can tell apart, and only positive to what it cannot', () => {
    assert.equal(says('Virus', THREE), 'positive viral');
    assert.equal(says('BACTERIAL', THREE), 'positive bacterial');
    assert.equal(says('healthy', THREE), 'negative normal');
    assert.equal(says('pneumonia', THREE), 'positive ?');
  });

  it('lets the map go before all, and refuses what nobody knows', () => {
    assert.equal(says('unauffällig', OPACITY), undefined);
    assert.equal(says('unauffällig', OPACITY, [['unauffallig', 'negative']]), 'negative ?');
    assert.equal(says('atypical', THREE, [['atypical', 'viral']]), 'positive viral');
    assert.equal(says('lateral', OPACITY, [['lateral', 'skip']]), 'skip');
    const told = { name: 'a', path: 'a', told: 'labels.csv row 9', words: ['atypical'], boxes: [], frame: 1, columns: {} };
    assert.throws(() => truthOf(told, OPACITY, new Map()), /labels\.csv row 9: label "atypical" says neither positive nor negative to some-model \(opacity\); tell it by --map "atypical=positive"/);
  });

  it('joins the labels of the boxes of one image: ill if any says so, its boxes those that say so', () => {
    const box = (word: string, x: number) => ({ x, y: 0, width: 1, height: 1, word });
    const told = { name: 'a', path: 'a', told: '', frame: 1, columns: {}, words: ['no pneumonia', 'opacity'], boxes: [box('no pneumonia', 1), box('opacity', 2)] };
    assert.deepEqual(truthOf(told, OPACITY, new Map()), { positive: true, label: 'opacity', boxes: [box('opacity', 2)] });
    assert.deepEqual(truthOf({ ...told, words: ['no pneumonia'] }, OPACITY, new Map())?.boxes, []);
    assert.equal(truthOf({ ...told, words: ['opacity'], boxes: [] }, OPACITY, new Map())?.boxes, undefined);
    assert.deepEqual(truthOf({ ...told, words: ['virus', 'bacteria'], boxes: [] }, THREE, new Map())?.label, undefined);
  });
});

describe('data of the evaluation: patients and sub-groups', () => {
  const told = { name: 'a', path: 'a', told: '', words: ['virus'], boxes: [], frame: 1, columns: {} };

  it('takes them from the header, and where that is silent from the list', () => {
    const header = dataset({ PatientSex: 'F', PatientAge: '017Y', ViewPosition: 'PA', Manufacturer: 'Acme', PatientID: '77' });
    assert.deepEqual(attributesOf({ ...told, sex: 'M', ageYears: 3, view: 'AP' }, header), { sex: 'female', age: '6-17', view: 'PA', manufacturer: 'ACME', kind: 'viral' });
    assert.deepEqual(attributesOf({ ...told, sex: 'male', ageYears: 65, view: 'left lateral', manufacturer: 'Acme' }, {}), { sex: 'male', age: '65+', view: 'lateral', manufacturer: 'ACME', kind: 'viral' });
    assert.equal(patientOf({ ...told, patient: 'of the list' }, header), 'of the list');
    assert.equal(patientOf(told, header), '77');
    assert.equal(patientOf(told, dataset({ PatientID: 'ANONYMOUS' })), undefined);
    // OsiriX and Horos call the first image of every patient so.
    const exported = { ...told, name: 'Doe/IM-0001-0001.dcm', patient: 'IM-0001', patientByName: true };
    assert.equal(patientOf(exported, header), '77');
    assert.equal(patientOf(exported, dataset({ PatientID: 'ANONYMOUS' })), undefined);
  });

  it('makes quarters of many numbers, and refuses many words', () => {
    const { values, order } = bandsOf('dose', Array.from({ length: 100 }, (_, at) => String(at + 1)));
    assert.deepEqual(order, ['1 to 25.75', '25.75 to 50.5', '50.5 to 75.25', '75.25 to 100']);
    assert.deepEqual([values[0], values[24], values[25], values[99]], ['1 to 25.75', '1 to 25.75', '25.75 to 50.5', '75.25 to 100']);
    assert.throws(() => bandsOf('note', Array.from({ length: 30 }, (_, at) => `n${at}`)), /--by note: 30 different values are too many/);
  });

  it('tells boxes in another frame than that of the image', () => {
    assert.equal(outsideImage({ x: 0, y: 0, width: 256.5, height: 256 }, 256, 256), undefined);
    assert.match(outsideImage({ x: 900, y: 10, width: 200, height: 300 }, 256, 256)!, /200 x 300 pixels at 900, 10 reaches beyond the image of 256 x 256/);
  });
});

// `hilum evaluate` as a hospital runs it, from files to figures.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Evaluation } from '../../ai/evaluation/model-evaluation.ts';
import { chestPhantom } from '../../ai/phantom/chest.ts';
import { phantomDicom } from '../../ai/phantom/dicom.ts';
import { gridImage, gridPixels } from '../support/grid-image.ts';

const CLI = new URL('../../gateway/cli.ts', import.meta.url).pathname;
const TINY = new URL('../fixtures/models/tiny', import.meta.url).pathname;
const OPACITY = new URL('../../ai/models/opacity', import.meta.url).pathname;

/** A bright cell is an opacity to the model tiny: cell 6 is this box of a grid image. */
const CELL_6 = { x: 64, y: 64, width: 32, height: 64 };

/** Of a grid image: with a bright cell, or dark but for one pixel, since a blank image is not analysable. */
function pixels(bright: number[]): Uint8Array {
  const cells = gridPixels(bright, 128, 256);
  cells[0]! += 10;
  return cells;
}

interface Run {
  status: number;
  stdout: string;
  stderr: string;
}

describe('hilum evaluate', function () {
  this.timeout(300_000);
  let folder: string;
  let config: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hilum-evaluate-test-'));
    config = join(folder, 'hilum.yaml');
    await writeFile(config, `models: [${TINY}]\ninference: { providers: [cpu] }\nroutes:\n  - { name: chests, when: { Modality: [CR, DX], BodyPartExamined: [CHEST, ""] }, models: [tiny] }\n`);
    await makeList();
  });
  after(() => rm(folder, { recursive: true }));

  /** Seven images: analysed and not, DICOM and PNG, with boxes and without. */
  async function makeList(): Promise<void> {
    const data = join(folder, 'list');
    await mkdir(data);
    const changes = (id: string, bright: number[], more = {}): Record<string, unknown> => ({ PixelData: pixels(bright), SOPInstanceUID: `2.25.9${id}`, PatientID: `p${id}`, PatientSex: 'F', Manufacturer: 'Acme', ...more });
    await writeFile(join(data, '1.dcm'), gridImage({ changes: changes('1', [6]) }));
    await writeFile(join(data, '2.dcm'), gridImage({ changes: changes('2', [], { PatientSex: 'M', PatientAge: '004Y' }) }));
    await writeFile(join(data, '3.dcm'), gridImage({ changes: changes('3', [6], { ViewPosition: 'LL' }) }));
    await writeFile(join(data, '4.dcm'), 'no DICOM');
    await png(join(data, '5.png'), [6]);
    await png(join(data, '6.png'), []);
    await png(join(data, '7.png'), []);
    const { x, y, width, height } = CELL_6;
    await writeFile(
      join(data, 'labels.csv'),
      `image,label,x,y,w,h,patient,age,sex,view,ward\n1.dcm,opacity,${x},${y},${width},${height},a,,,,n\n2.dcm,normal,,,,,b,,,,n\n3.dcm,pneumonia,,,,,c,,,,s\n4.dcm,normal,,,,,d,,,,s\n` +
        `5.png,opacity,${x},${y},${width},${height},e,70,M,AP,s\n6.png,normal,,,,,f,30,F,PA,s\n7.png,opacity,0,0,20,20,f,30,F,PA,\n`,
    );
  }

  function run(...args: string[]): Promise<Run> {
    return new Promise((resolve) => {
      execFile(process.execPath, [CLI, '--config', config, 'evaluate', ...args], { maxBuffer: 64e6 }, (error, stdout, stderr) => {
        resolve({ status: error ? Number(error.code) : 0, stdout, stderr });
      });
    });
  }
  const png = (path: string, bright: number[]): Promise<unknown> =>
    sharp(Buffer.from(pixels(bright)), { raw: { width: 128, height: 256, channels: 1 } }).png().toFile(path);

  it('judges DICOM and pictures of one list in the very same way, and leaves no image out', async () => {
    const data = join(folder, 'list');
    const out = join(folder, 'out');
    const result = await run('--data', data, '--out', out, '--by', 'ward', '--prevalence', '0.1', '--bootstrap', '200');
    assert.equal(result.status, 1, result.stderr);
    assert.match(result.stdout, /tiny 1\.0\.0\n {2}images +5 analysed \(3 positive, 2 negative\) of 4 patients; 1 not analysable, 1 failed/);

    assert.deepEqual((await readdir(out)).sort(), ['predictions.csv', 'report.html', 'report.json']);
    const report = JSON.parse(await readFile(join(out, 'report.json'), 'utf8')) as Evaluation;
    const [model] = report.models;
    assert.deepEqual(model!.confusion, { truePositive: 2, falsePositive: 0, trueNegative: 2, falseNegative: 1 });
    assert.deepEqual(model!.missesCounted, { accuracy: 4 / 7, sensitivity: 2 / 4, specificity: 2 / 3 });
    assert.deepEqual(model!.unanalyzed.map(({ name, status, positive }) => [name, status, positive]), [['3.dcm', 'not-analyzable', true], ['4.dcm', 'failed', false]]);
    assert.deepEqual(model!.mistakes.missed.map(({ name }) => name), ['7.png']);
    assert.equal(model!.boxes!.trueBoxes, 3);
    assert.equal(model!.boxes!.figures['hitRate']!.value, 2 / 3);
    assert.equal(model!.boxes!.figures['falseAnImage']!.value, 0);
    assert.deepEqual(model!.subgroups.map(({ attribute, groups }) => [attribute, groups.map(({ value }) => value)]), [
      ['sex', ['female', 'male']],
      ['age', ['0-5', '18-39', '40-64', '65+']],
      ['view', ['PA', 'AP']],
      ['manufacturer', ['ACME']],
      ['ward (list)', ['n', 's']],
    ]);

    const [head, ...lines] = (await readFile(join(out, 'predictions.csv'), 'utf8')).trim().split('\n');
    assert.match(head!, /^file,frame,patient,truth,positive,model,status,reason,probability,told,/);
    assert.equal(lines.length, 7);
    assert.deepEqual(lines.map((line) => line.split(',').slice(0, 7).join(',')), [
      '1.dcm,1,a,opacity,1,tiny,analyzed', '2.dcm,1,b,normal,0,tiny,analyzed', '3.dcm,1,c,pneumonia,1,tiny,not-analyzable', '4.dcm,1,d,normal,0,tiny,failed',
      '5.png,1,e,opacity,1,tiny,analyzed', '6.png,1,f,normal,0,tiny,analyzed', '7.png,1,f,opacity,1,tiny,analyzed',
    ]);
    // The same picture, as DICOM and as PNG.
    assert.deepEqual(lines[0]!.split(',').slice(8, 12), lines[4]!.split(',').slice(8, 12));

    const page = await readFile(join(out, 'report.html'), 'utf8');
    assert.match(page, /lateral view; the model is meant for/);
    assert.doesNotMatch(page, /(src|href)="?http|<script/);
  });

  it('says the same again for the same seed, but for the time', async () => {
    const data = join(folder, 'list');
    const [one, other] = await Promise.all([run('--data', data, '--json', '--bootstrap', '200', '--seed', '5'), run('--data', data, '--json', '--bootstrap', '200', '--seed', '5')]);
    const timeless = ({ stdout }: Run): unknown => ({ ...(JSON.parse(stdout) as object), madeAt: '' });
    assert.deepEqual(timeless(one), timeless(other));
  });

  it('judges a package by its folder, and lets it take what an image does not say of itself', async () => {
    const own = join(folder, 'package');
    await mkdir(own);
    const manifest = (await readFile(join(TINY, 'manifest.yaml'), 'utf8')).replace('name: tiny', 'name: strict').replace('views: [PA, AP, ""]', 'views: [PA, AP]').replace('threshold: 0.5', 'threshold: 0.999999');
    await writeFile(join(own, 'manifest.yaml'), manifest);
    await writeFile(join(own, 'model.onnx'), await readFile(join(TINY, 'model.onnx')));
    const data = join(folder, 'classes');
    for (const name of ['NORMAL', 'PNEUMONIA']) await mkdir(join(data, name), { recursive: true });
    for (const index of [1, 2]) {
      await png(join(data, 'NORMAL', `IM-000${index}-0001.png`), []);
      await png(join(data, 'PNEUMONIA', `person${index}_bacteria_1.png`), [6]);
    }
    const result = await run('--data', data, '--model', own, '--json', '--bootstrap', '200');
    assert.equal(result.status, 0, result.stderr);
    const { models } = JSON.parse(result.stdout) as Evaluation;
    const [{ model, images, figures, advice, confusion }] = models as [Evaluation['models'][number]];
    assert.deepEqual([model.name, images.analyzed, images.patients, figures.auc.value], ['strict', 4, 4, 1]);
    // A threshold too high for all: told, with the one that would do.
    assert.deepEqual(confusion, { truePositive: 0, falsePositive: 0, trueNegative: 2, falseNegative: 2 });
    const wanted = advice.find(({ wantedSensitivity }) => wantedSensitivity === 0.95)!;
    assert.ok(wanted.threshold.value! > 0.5 && wanted.threshold.value! < 0.999999);
    assert.deepEqual([wanted.sensitivity.value, wanted.specificity.value], [1, 1]);
  });

  it('reaches on phantoms what the shipped model is good for, and reports what analyze reports', async () => {
    const data = join(folder, 'phantoms');
    const rows = ['file,label,x,y,width,height'];
    await mkdir(data);
    for (let seed = 100200; seed < 100208; seed++) {
      const spec = { seed, columns: 512, rows: 512, opacities: seed % 2 ? 2 : 0 };
      await writeFile(join(data, `${seed}.dcm`), await phantomDicom(spec));
      const boxes = chestPhantom(spec).opacities;
      if (boxes.length === 0) rows.push(`${seed}.dcm,normal,,,,`);
      for (const { x, y, width, height } of boxes) rows.push(`${seed}.dcm,opacity,${x},${y},${width},${height}`);
    }
    await writeFile(join(data, 'labels.csv'), rows.join('\n'));
    await writeFile(join(folder, 'shipped.yaml'), `models: [${OPACITY}]\ninference: { providers: [cpu] }\n`);
    const out = join(folder, 'shipped');
    const result = await run('--config', join(folder, 'shipped.yaml'), '--data', data, '--out', out, '--bootstrap', '100');
    assert.equal(result.status, 0, result.stderr);
    const { models } = JSON.parse(await readFile(join(out, 'report.json'), 'utf8')) as Evaluation;
    assert.ok(models[0]!.figures.auc.value! >= 0.8, `AUC ${models[0]!.figures.auc.value}`);
    assert.ok(models[0]!.boxes!.figures['ap30']!.value! > 0.2);

    const analyzed = await new Promise<string>((resolve, reject) => {
      execFile(process.execPath, [CLI, '--config', join(folder, 'shipped.yaml'), 'analyze', data, '--json'], { maxBuffer: 64e6 }, (error, stdout) => (stdout ? resolve(stdout) : reject(error!)));
    });
    const lines = analyzed.trim().split('\n').map((line) => JSON.parse(line)).filter(({ status }) => status === 'analyzed');
    const predictions = (await readFile(join(out, 'predictions.csv'), 'utf8')).trim().split('\n').slice(1).map((line) => line.split(','));
    assert.deepEqual(predictions.map(([name]) => name), lines.map(({ file }) => file.split('/').at(-1)));
    // The two commands put the images into other batches, and float32 adds up in another order.
    for (const [index, fields] of predictions.entries()) {
      const { probability, regions } = lines[index];
      assert.ok(Math.abs(Number(fields[8]) - probability) < 1e-4, fields[0]);
      const boxes = fields[11]!.split('; ').filter(Boolean).map((region) => region.split(' ').slice(0, 4).map(Number));
      assert.equal(boxes.length, regions.length, fields[0]);
      for (const [at, { x, y, width, height }] of regions.entries())
        for (const [side, value] of [x, y, width, height].entries()) assert.ok(Math.abs(boxes[at]![side]! - value) <= 1, `${fields[0]}, region ${at + 1}`);
    }
  });

  it('exits 2 with one line that says what is wrong, and writes nothing', async () => {
    const data = join(folder, 'list');
    const bad = join(folder, 'bad');
    await mkdir(bad);
    await writeFile(join(bad, 'outside.csv'), `file,label,x,y,w,h\n${join(data, '1.dcm')},1,900,0,10,10\n`);
    await writeFile(join(bad, 'word.csv'), `file,label\n${join(data, '1.dcm')},odd\n`);
    const out = join(bad, 'out');
    const cases: [string[], RegExp][] = [
      [['--data', join(bad, 'outside.csv'), '--out', out], /^hilum evaluate: .*outside\.csv row 2: a box of 10 x 10 pixels at 900, 0 reaches beyond the image of 128 x 256 .*$/],
      [['--data', join(bad, 'word.csv'), '--out', out], /^hilum evaluate: .*word\.csv row 2: label "odd" says neither positive nor negative to tiny \(opacity\); .*--map.*$/],
      [['--data', join(bad, 'gone'), '--out', out], /^hilum evaluate: .*gone: there is no such file or folder$/],
      [['--data', data, '--model', 'huge', '--out', out], /^hilum evaluate: there is no model "huge": .*$/],
      [['--data', data, '--out', join(folder, 'list')], /^hilum evaluate: --out .*list: the folder is not empty, and nothing is written over$/],
      [['--data', data, '--out', '/proc/none/report'], /^hilum evaluate: --out \/proc\/none\/report: \/proc cannot be written to \(.*\)$/],
      [['--out', out], /^--data is missing\nusage: hilum evaluate/],
      [['--data', data, '--sensitivity', '95'], /^--sensitivity 95: must be between 0 and 1\nusage/],
      [['--data', data, '--bootstrap', '5'], /^--bootstrap 5: must be a whole number from 100 to/],
    ];
    for (const [args, expected] of cases) {
      const { status, stdout, stderr } = await run(...args);
      assert.deepEqual([status, stdout], [2, ''], stderr);
      assert.match(stderr.trim(), expected);
    }
    assert.deepEqual((await readdir(bad)).sort(), ['outside.csv', 'word.csv']);
  });

  it('ends on Ctrl-C with nothing written and nothing left behind', async () => {
    const data = join(folder, 'many');
    for (const name of ['normal', 'pneumonia']) await mkdir(join(data, name), { recursive: true });
    for (let index = 0; index < 600; index++) await png(join(data, index % 2 ? 'normal' : 'pneumonia', `${index}.png`), index % 2 ? [] : [6]);
    const out = join(folder, 'interrupted');
    const own = await mkdtemp(join(tmpdir(), 'hilum-tmp-'));
    const child = spawn(process.execPath, [CLI, '--config', config, 'evaluate', '--data', data, '--out', out], { env: { ...process.env, TMPDIR: own } });
    let words = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (words += text));
    // The temporary folder is made when the first image goes its way.
    const made = async (): Promise<string[]> => (await readdir(own)).filter((name) => name.startsWith('hilum-'));
    while ((await made()).length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    child.kill('SIGINT');
    const [status] = (await once(child, 'exit')) as [number];
    assert.equal(status, 130, words);
    assert.match(words, /interrupted, nothing was written/);
    assert.deepEqual(await made(), []);
    assert.equal((await readdir(folder)).includes('interrupted'), false);
    await rm(own, { recursive: true, force: true });
  });
});

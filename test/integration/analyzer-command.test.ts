// `hilum analyze` and `hilum models` as a person or a script runs them.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gridImage } from '../support/grid-image.ts';
import { modelPackage } from '../support/model-packages.ts';

const CLI = new URL('../../gateway/cli.ts', import.meta.url).pathname;
const TINY = new URL('../fixtures/models/tiny', import.meta.url).pathname;

interface Run {
  status: number;
  stdout: string;
  stderr: string;
}

const linesOf = ({ stdout }: Run): Record<string, unknown>[] => stdout.trim().split('\n').map((line) => JSON.parse(line));

describe('hilum analyze', () => {
  let folder: string;
  let config: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hilum-command-'));
    config = join(folder, 'hilum.yaml');
    await writeFile(
      config,
      `models: [${TINY}]\ninference: { providers: [cpu] }\nroutes:\n  - { name: chests, when: { Modality: [CR, DX], BodyPartExamined: [CHEST, ""] }, models: [tiny] }\n`,
    );
    await mkdir(join(folder, 'images', 'more'), { recursive: true });
    const save = (name: string, content: Uint8Array): Promise<void> => writeFile(join(folder, 'images', name), content);
    await save('1-opacity.dcm', gridImage({ frames: [[6]] }));
    await save('2-frames.dcm', gridImage({ frames: [[0], [15]], changes: { SOPInstanceUID: '2.25.1005' } }));
    await save('3-hand.dcm', gridImage({ frames: [[6]], changes: { BodyPartExamined: 'HAND' } }));
    await save('more/4-lateral.dcm', gridImage({ frames: [[6]], changes: { ViewPosition: 'LL' } }));
    await writeFile(join(folder, 'notes.txt'), 'no DICOM');
  });
  after(() => rm(folder, { recursive: true }));

  function run(...args: string[]): Promise<Run> {
    return new Promise((resolve) => {
      execFile(process.execPath, [CLI, '--config', config, ...args], (error, stdout, stderr) => {
        resolve({ status: error ? Number(error.code) : 0, stdout, stderr });
      });
    });
  }

  it('prints one line of JSON for each frame and model, in the order of the files, and exits 0', async () => {
    const result = await run('analyze', join(folder, 'images'), '--json');
    assert.equal(result.status, 0, result.stderr);
    const lines = linesOf(result);
    assert.deepEqual(
      lines.map(({ file, frame, status }) => [String(file).split('/').at(-1), frame, status]),
      [
        ['1-opacity.dcm', 1, 'analyzed'],
        ['2-frames.dcm', 1, 'analyzed'],
        ['2-frames.dcm', 2, 'analyzed'],
        ['3-hand.dcm', null, 'not-analyzable'],
        ['4-lateral.dcm', 1, 'not-analyzable'],
      ],
    );
    const [opacity, , , hand, lateral] = lines;
    const { probability, scores, regions, milliseconds, ...rest } = opacity!;
    assert.deepEqual(rest, {
      file: join(folder, 'images', '1-opacity.dcm'),
      sopInstanceUid: '2.25.1001',
      frame: 1,
      model: { name: 'tiny', version: '1.0.0' },
      status: 'analyzed',
      reason: null,
      label: 'opacity',
      positive: true,
      threshold: 0.5,
    });
    assert.deepEqual(scores, { opacity: probability });
    assert.equal(typeof milliseconds, 'number');
    const [region] = regions as Record<string, unknown>[];
    assert.deepEqual(Object.keys(region!), ['x', 'y', 'width', 'height', 'label', 'score', 'trackingUid']);
    assert.match(String(hand?.['reason']), /^no route takes this image/);
    assert.match(String(lateral?.['reason']), /^lateral view/);
  });

  it('runs the model that it is told to on what no route takes, and lets the model say what it is not meant for', async () => {
    const [line] = linesOf(await run('analyze', join(folder, 'images', '3-hand.dcm'), '--json', '--model', 'tiny'));
    assert.equal(line?.['status'], 'not-analyzable');
    assert.match(String(line?.['reason']), /^body part HAND/);
  });

  it('names what is wrong with a file, goes on with the others, and exits 1', async () => {
    const result = await run('analyze', join(folder, 'notes.txt'), join(folder, 'nowhere.dcm'), join(folder, 'images', '1-opacity.dcm'), '--json');
    assert.equal(result.status, 1);
    const lines = linesOf(result);
    assert.deepEqual(lines.map(({ status }) => status), ['failed', 'failed', 'analyzed']);
    assert.ok(String(lines[0]?.['reason']).length > 10);
    assert.equal(lines[1]?.['reason'], 'there is no such file');
  });

  it('tells people the same in words', async () => {
    const result = await run('analyze', join(folder, 'images'));
    assert.equal(result.status, 0, result.stderr);
    assert.match(result.stdout, /1-opacity\.dcm +tiny 1\.0\.0 +opacity, 9\d\.\d % \(threshold 50\.0 %\)/);
    assert.match(result.stdout, /32 x 64 pixels at 64, 64/);
    assert.match(result.stdout, /not analysable: lateral view/);
    assert.match(result.stdout, /5 analyses: 3 positive, 0 negative, 2 not analysable, 0 failed/);
  });

  it('writes the report in both forms and an overlay of each image', async () => {
    const out = join(folder, 'out');
    const result = await run('analyze', join(folder, 'images', '1-opacity.dcm'), '--json', '--out', out);
    assert.equal(result.status, 0, result.stderr);
    const written = await readdir(out);
    assert.equal(written.length, 3);
    assert.ok(written.every((name) => /^2\.25\.\d+\.dcm$/.test(name)));
  });

  it('exits 2 when it cannot run, and says why', async () => {
    const cases: [string[], RegExp][] = [
      [['analyze'], /no file was given[^]*usage: hilum analyze/],
      [['analyze', 'x.dcm', '--colour'], /--colour[^]*usage: hilum analyze/],
      [['analyze', 'x.dcm', '--model', 'other'], /the settings have no model "other"/],
      [['analyze', 'x.dcm', '--out', 'package.json'], /EEXIST.*package\.json/],
    ];
    for (const [args, message] of cases) {
      const { status, stderr } = await run(...args);
      assert.equal(status, 2);
      assert.match(stderr, message);
    }
  });

  it('lists the packages with checksum, tensors and licence', async () => {
    const { status, stdout } = await run('models');
    assert.equal(status, 0);
    assert.match(stdout, /^tiny 1\.0\.0\n/);
    assert.match(stdout, /sha256 [0-9a-f]{64} \(agrees\)/);
    assert.match(stdout, /boxes \[N, 16, 4\]/);
    assert.match(stdout, /licence +Apache-2\.0/);
  });

  it('refuses a package that answers something else than its manifest says, and lists the others', async () => {
    const wrong = await modelPackage(folder, { name: 'wrong', kind: 'detection', changes: { outputs: { boxes: { tensor: 'boxes', scores: 'logit' } } } });
    const both = join(folder, 'both.yaml');
    await writeFile(both, `models: [${wrong}, ${TINY}]\n`);
    const { status, stdout, stderr } = await run('models', '--config', both);
    assert.equal(status, 1);
    assert.match(stdout, /^tiny 1\.0\.0\n/);
    assert.match(stderr, /^refused: model package .*wrong: "wrong" does not run: the model answered boxes \[1, 16, 4\] for 1 scores$/m);
  });
});

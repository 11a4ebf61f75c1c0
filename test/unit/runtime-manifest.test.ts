// Model packages: what is refused, and that it is named.
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadPackage } from '../../ai/runtime/manifest.ts';

const TINY = new URL('../fixtures/models/tiny', import.meta.url).pathname;

describe('a model package', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hilum-model-'));
    await cp(TINY, folder, { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function edit(from: string | RegExp, to: string): Promise<void> {
    const path = join(folder, 'manifest.yaml');
    const before = await readFile(path, 'utf8');
    const after = before.replace(from, to);
    assert.notEqual(after, before);
    await writeFile(path, after);
  }

  it('is loaded with its identity and the tensors that its file declares', async () => {
    const model = await loadPackage(folder);
    assert.equal(model.identity.name, 'tiny');
    assert.match(model.identity.sha256, /^[0-9a-f]{64}$/);
    assert.deepEqual(model.inputs, [{ name: 'image', type: 1, shape: ['N', 1, 64, 64] }]);
    assert.deepEqual(model.outputs.map(({ name, shape }) => [name, shape]), [
      ['logit', ['N', 1]],
      ['boxes', ['N', 16, 4]],
      ['scores', ['N', 16]],
    ]);
  });

  it('is refused when the model file is not the one of the checksum', async () => {
    await edit(/sha256: ./, 'sha256: 0');
    await assert.rejects(loadPackage(folder), /has the checksum [0-9a-f]{64}, but the manifest of "tiny" says 0/);
  });

  const wrong: [string, string | RegExp, string, RegExp][] = [
    ['an input of another name', 'tensor: image', 'tensor: picture', /"tiny" does not match the manifest: its input is "image", not "picture"/],
    ['an input of another size', 'width: 64', 'width: 32', /"image" has the shape \[N, 1, 64, 64\], not \[\?, 1, 64, 32\]/],
    ['an output that the file lacks', 'tensor: logit', 'tensor: logits', /no output "logits" \(it has "logit", "boxes", "scores"\)/],
    ['more labels than logits', 'labels:\n', 'labels:\n  - { name: normal, code: { value: "1", scheme: DCM, meaning: None } }\n', /"logit" has the shape \[N, 1\], not \[\?, 2\]/],
    ['no positive label', 'positive: true', 'positive: false', /labels: at least one label must be positive/],
    ['two positive labels that may both be true', /logit: \{ tensor: logit \}([^]*)labels:\n/, 'logit: { tensor: logit, activation: sigmoid }$1labels:\n  - { name: other, positive: true, code: { value: "1", scheme: DCM, meaning: Other } }\n', /labels: only one may be positive with the activation sigmoid/],
    ['a calibration for another number of labels', /calibration: .*/, 'calibration: { method: vector, scale: [1, 1], offset: [0, 0] }', /calibration: scale and offset must have one value for each of the 1 labels/],
    ['a model of the lungs that is no segmentation', 'version:', 'purpose: lungs\nversion:', /task: must be segmentation for the purpose lungs/],
    ['a finding without an operating point', /operatingPoint: .*/, '', /operatingPoint: is needed/],
    ['a task without its output', 'task: detection', 'task: segmentation', /outputs\.mask: is needed for the task segmentation/],
    ['a misspelt key', 'maxBatch', 'maxbatch', /manifest\.yaml is wrong: .*maxbatch/],
    ['a threshold beyond one', 'threshold: 0.5, ', 'threshold: 5, ', /operatingPoint\.threshold/],
  ];
  for (const [what, from, to, message] of wrong)
    it(`is refused, by name, for ${what}`, async () => {
      await edit(from, to);
      await assert.rejects(loadPackage(folder), (error: Error) => {
        assert.match(error.message, message);
        assert.ok(error.message.includes(folder));
        return true;
      });
    });

  it('is refused when the model file is missing, cut off or no model', async () => {
    const path = join(folder, 'model.onnx');
    const expect = async (message: RegExp): Promise<void> => {
      const { createHash } = await import('node:crypto');
      await edit(/sha256: .*/, `sha256: ${createHash('sha256').update(await readFile(path)).digest('hex')}`);
      await assert.rejects(loadPackage(folder), message);
    };
    await truncate(path, 500);
    await expect(/"tiny" cannot be understood/);
    await writeFile(path, 'not a model');
    await expect(/"tiny" cannot be understood/);
    await rm(path);
    await assert.rejects(loadPackage(folder), /model\.onnx cannot be read/);
  });
});

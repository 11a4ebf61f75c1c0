// The WebGPU provider by its real code path, on the GPU emulation that Debian's chromium brings.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { pino } from 'pino';
import { loadPackage } from '../../ai/runtime/manifest.ts';
import type { ModelPackage } from '../../ai/runtime/manifest.ts';
import { warmUpPixels } from '../../ai/runtime/input.ts';
import { chooseProvider } from '../../ai/runtime/providers.ts';

const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';
const options = { threads: 1, log: pino({ level: 'silent' }) };

describe('the webgpu provider', () => {
  const environment = { ...process.env };
  let model: ModelPackage;

  before(async function () {
    if (!existsSync(SWIFTSHADER)) this.skip();
    model = await loadPackage(new URL('../fixtures/models/tiny', import.meta.url).pathname);
    process.env['XDG_RUNTIME_DIR'] = '/tmp';
  });
  afterEach(() => {
    process.env = { ...environment };
  });

  it('is chosen where there is a GPU, and answers as the CPU does', async () => {
    process.env['VK_ICD_FILENAMES'] = SWIFTSHADER;
    const gpu = await chooseProvider(model, ['webgpu', 'cpu'], options);
    const cpu = await chooseProvider(model, ['cpu'], options);
    try {
      assert.deepEqual(gpu.report, { model: 'tiny', chosen: 'webgpu', rejected: [] });
      const images = [warmUpPixels(model.manifest.input), new Uint8Array(64 * 64).fill(200)];
      const [onGpu, onCpu] = [await gpu.worker.run(images, 20), await cpu.worker.run(images, 20)];
      onGpu.forEach((reading, index) => assert.ok(Math.abs(reading.probability - onCpu[index]!.probability) < 1e-4));
    } finally {
      await Promise.all([gpu.worker.kill(), cpu.worker.kill()]);
    }
  });

  it('is rejected in words, at once, where there is none', async () => {
    process.env['VK_ICD_FILENAMES'] = '/nowhere.json';
    const begun = performance.now();
    const { worker, report } = await chooseProvider(model, ['webgpu', 'cpu'], options);
    await worker.kill();
    assert.deepEqual(report, { model: 'tiny', chosen: 'cpu', rejected: [{ provider: 'webgpu', why: 'no GPU was found (no WebGPU adapter)' }] });
    assert.ok(performance.now() - begun < 3000);
  });
});

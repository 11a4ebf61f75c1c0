// Which execution provider runs a model: the first of the settings' order that starts, runs, agrees with the CPU
// and is not far slower.
import type { Logger } from 'pino';
import { InferenceProcess } from './inference-process.ts';
import type { Provider } from './inference-process.ts';
import type { ModelPackage } from './manifest.ts';
import { ModelPackageError } from './manifest.ts';
import type { OutputTensor } from './outputs.ts';

export interface ProviderReport {
  model: string;
  chosen: Provider;
  rejected: { provider: Provider; why: string }[];
}
export interface ProviderOptions {
  threads: number;
  log: Logger;
}

/** A driver that has not run one image by then hangs; the slowest that worked, a GPU emulated in software, took 5 s. */
const ACCELERATOR_SECONDS = 20;
/** A busy machine may need long to load a large model; without a CPU there is nothing left to try. */
const CPU_SECONDS = 60;
/** Providers differ in rounding by some 1e-6, a wrong kernel by whole logits. */
const TOLERANCE = 1e-2;

/** Starts a worker with the model loaded and tried. */
export async function startWorker(model: ModelPackage, provider: Provider, options: ProviderOptions) {
  const worker = new InferenceProcess(provider);
  try {
    const warmUp = await worker.load(model, options.threads, provider === 'cpu' ? CPU_SECONDS : ACCELERATOR_SECONDS);
    return { worker, warmUp };
  } catch (error) {
    await worker.kill();
    options.log.debug({ model: model.manifest.name, provider, stderr: worker.lastWords, err: error }, 'inference worker did not start');
    throw error;
  }
}

/**
 * Runs a model on one blank image, on the CPU, as each start of the gateway does.
 * @throws {ModelPackageError} when it cannot run, or answers something else than the manifest says
 */
export async function tryModel(model: ModelPackage, options: ProviderOptions): Promise<void> {
  try {
    const { worker } = await startWorker(model, 'cpu', options);
    await worker.kill();
  } catch (cause) {
    throw new ModelPackageError(model.folder, `"${model.manifest.name}" does not run: ${(cause as Error).message}`, { cause });
  }
}

/**
 * @returns a worker on the chosen provider, and why the ones before it were not chosen
 * @throws {ModelPackageError} when no provider of the list can run the model
 */
export async function chooseProvider(
  model: ModelPackage,
  wanted: readonly Provider[],
  options: ProviderOptions,
): Promise<{ worker: InferenceProcess; report: ProviderReport }> {
  // The CPU's answer is what the others are measured by, so it starts beside the first of them.
  const reference = startWorker(model, 'cpu', options);
  reference.catch(() => undefined);
  const rejected: ProviderReport['rejected'] = [];
  for (const provider of wanted) {
    const tried = await tryProvider(model, provider, reference, options);
    if ('why' in tried) {
      rejected.push({ provider, why: tried.why });
      continue;
    }
    if (provider !== 'cpu') await endReference(reference);
    return { worker: tried.worker, report: { model: model.manifest.name, chosen: provider, rejected } };
  }
  await endReference(reference);
  const reasons = rejected.map(({ provider, why }) => `${provider}: ${why}`).join('; ');
  throw new ModelPackageError(model.folder, `"${model.manifest.name}" runs on none of the providers of the settings (${reasons})`);
}

type Started = Awaited<ReturnType<typeof startWorker>>;

async function tryProvider(
  model: ModelPackage,
  provider: Provider,
  reference: Promise<Started>,
  options: ProviderOptions,
): Promise<{ worker: InferenceProcess } | { why: string }> {
  try {
    if (provider === 'cpu') return { worker: (await reference).worker };
    const { worker, warmUp } = await startWorker(model, provider, options);
    const why = await reference.then(
      (cpu) => disagreement(warmUp.outputs, cpu.warmUp.outputs) ?? slowness(warmUp.milliseconds, cpu.warmUp.milliseconds),
      (error: Error) => `the CPU, which it is compared with, cannot run the model (${error.message})`,
    );
    if (why === undefined) return { worker };
    await worker.kill();
    return { why };
  } catch (error) {
    return { why: inWords(provider, (error as Error).message) };
  }
}

async function endReference(reference: Promise<Started>): Promise<void> {
  await reference.then(({ worker }) => worker.kill()).catch(() => undefined);
}

/** How two providers' outputs for the same image differ, in words; undefined when they agree. */
export function disagreement(one: Record<string, OutputTensor>, cpu: Record<string, OutputTensor>): string | undefined {
  for (const [name, expected] of Object.entries(cpu)) {
    const data = one[name]?.data;
    if (data?.length !== expected.data.length) return `its output "${name}" has another size than the CPU's`;
    // Boxes are in pixels, up to some thousand: the tolerance is relative there.
    const worst = data.reduce((most, value, at) => {
      const right = expected.data[at]!;
      const off = Math.abs(value - right) / Math.max(1, Math.abs(right));
      return off > most || Number.isNaN(off) ? off : most;
    }, 0);
    if (!(worst <= TOLERANCE)) return `its output "${name}" is off the CPU's by ${worst.toPrecision(2)} on a trial image`;
  }
  return undefined;
}

/** A GPU that is emulated in software answers right, and a hundred times later; small models are fast enough on anything. */
const SLOW_MILLISECONDS = 100;

/** That a provider would rather hold the images up, in words; undefined when it does not. */
export function slowness(milliseconds: number, cpu: number): string | undefined {
  if (milliseconds < SLOW_MILLISECONDS || milliseconds < 2 * cpu) return undefined;
  return `it is slower than the CPU (${Math.round(milliseconds)} ms an image, ${Math.round(cpu)} ms on the CPU)`;
}

/** The native library's messages name its source files; people need to know what is missing. */
function inWords(provider: Provider, message: string): string {
  if (provider === 'cuda' && /Failed to load shared library|not supported|not available/i.test(message))
    return 'the CUDA libraries of onnxruntime-node are not installed';
  if (provider === 'webgpu' && /adapter/i.test(message)) return 'no GPU was found (no WebGPU adapter)';
  return message.trim().split('\n')[0]!;
}

// The training package as people run it: ai/training/train with Debian's Python.
import { runTool, type ToolResult } from './peers.ts';

const LIMIT_MS = 180_000;

/** Runs `train SUB …` at one thread. @returns its exit code and all that it printed */
export function train(args: string[]): Promise<ToolResult> {
  return runTool('python3', ['ai/training/train', ...args], LIMIT_MS);
}

/** @throws {Error} with what it printed, when it failed */
export async function mustTrain(args: string[]): Promise<string> {
  const { code, output } = await train(args);
  if (code !== 0) throw new Error(`train ${args.join(' ')} ended with ${code}:\n${output}`);
  return output;
}

// The real DICOM software of Debian's packages that peer tests talk to. A tool that is missing is an error, never a skipped test.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';

const PACKAGES: Record<string, string> = {
  storescu: 'dcmtk',
  storescp: 'dcmtk',
  dcmqrscp: 'dcmtk',
  wlmscpfs: 'dcmtk',
  echoscu: 'dcmtk',
  findscu: 'dcmtk',
  movescu: 'dcmtk',
  getscu: 'dcmtk',
  dcmdump: 'dcmtk',
  dcm2xml: 'dcmtk',
  dcmconv: 'dcmtk',
  dcmcrle: 'dcmtk',
  dcmcjpeg: 'dcmtk',
  dcmcjpls: 'dcmtk',
  dcmdrle: 'dcmtk',
  dcmdjpeg: 'dcmtk',
  dcmdjpls: 'dcmtk',
  dcmodify: 'dcmtk',
  dsrdump: 'dcmtk',
  dcm2pnm: 'dcmtk',
  dcmp2pgm: 'dcmtk',
  dciodvfy: 'dicom3tools',
  Orthanc: 'orthanc',
  gdcmconv: 'libgdcm-tools',
};
const FOLDERS = ['/usr/bin', '/usr/sbin', '/usr/local/bin'];

/** The path of a tool. @throws where it is not installed, saying how to get it */
export function findTool(name: string): string {
  for (const folder of FOLDERS) {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      continue; // the next folder may have it
    }
  }
  throw new Error(`${name} is not installed, and the peer tests need it: apt-get install ${PACKAGES[name] ?? name}`);
}

export interface ToolResult {
  code: number;
  /** What it wrote to stdout and stderr. */
  output: string;
}

/** Runs a tool to its end. */
export function runTool(name: string, args: string[], timeoutMs = 60_000): Promise<ToolResult> {
  const path = findTool(name);
  return new Promise((resolve) => {
    execFile(path, args, { timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : 255) : 0;
      resolve({ code, output: `${stdout}${stderr}${error?.killed ? `\nkilled after ${timeoutMs} ms` : ''}` });
    });
  });
}

export interface RunningTool extends AsyncDisposable {
  process: ChildProcess;
  port: number;
  output(): string;
}

/** Starts a server tool on a free port, or the one given, and waits until it listens. `argsFor` gets that port; `await using` ends it. */
export async function startTool(name: string, argsFor: (port: number) => string[] | Promise<string[]>, given?: number): Promise<RunningTool> {
  const port = given ?? (await freePort());
  const child = spawn(findTool(name), await argsFor(port), { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  try {
    await listening(port, () => child.exitCode !== null, () => output);
  } catch (error) {
    await stop();
    throw error;
  }
  return { process: child, port, output: () => output, [Symbol.asyncDispose]: stop };
}

/** A port that was free a moment ago: tools that cannot say which port they took must be told one. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function listening(port: number, isGone: () => boolean, output: () => string): Promise<void> {
  for (const end = performance.now() + 20_000; performance.now() < end; ) {
    if (isGone()) throw new Error(`it ended before it listened:\n${output()}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on port ${port} after 20 s:\n${output()}`);
}

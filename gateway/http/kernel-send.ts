// A file's bytes from the page cache into a socket, without a copy of them in this process: sendfile(2), which Node does not have
// and libc has. Half the CPU time of reading and writing them (npm run bench wado).
import type { FileHandle } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** Of one call: a radiograph at once to a reader that keeps up, and not for long one of the few threads that read files. */
const MAX_BYTES = 16 * 1024 * 1024;
/** fcntl(2): a new descriptor of the same socket, which processes that are started meanwhile do not get. */
const F_DUPFD_CLOEXEC = 1030;

interface System {
  sendfile(socket: number, file: number, at: number, length: number): Promise<number>;
  duplicate(descriptor: number): number;
  close(descriptor: number): void;
}

export interface KernelSender extends Disposable {
  /** How many bytes from `at` the socket has taken: none where it is full, where the file ends, or where this cannot be done. */
  send(file: FileHandle, at: number, length: number): Promise<number>;
}

const system = await loadSystem();
/** Whether it can be done on this machine. */
export const hasKernelSend = system !== undefined;

/** For a socket that nothing else is written to meanwhile. Undefined where bytes have to be written in the ordinary way. */
export function kernelSender(socket: Socket | null): KernelSender | undefined {
  if (!system || !socket || socket instanceof TLSSocket || socket.destroyed) return undefined;
  // oxlint-disable-next-line no-underscore-dangle -- Node has no other word for the descriptor of a socket
  const { fd = -1 } = (socket as unknown as { _handle: { fd?: number } | null })._handle ?? {};
  // A descriptor of our own: the socket's may be closed, and given to another caller's, while a call is under way.
  const descriptor = fd < 0 ? -1 : system.duplicate(fd);
  if (descriptor < 0) return undefined;
  return {
    send: async (file, at, length) => Math.max(0, await system.sendfile(descriptor, file.fd, at, Math.min(length, MAX_BYTES))),
    [Symbol.dispose]: () => system.close(descriptor),
  };
}

/** Linux on 64 bits: elsewhere the call has another form, or there is none. */
async function loadSystem(): Promise<System | undefined> {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) return undefined;
  try {
    const { default: koffi } = await import('koffi');
    const libc = koffi.load(null);
    const sendfile = libc.func('int64_t sendfile(int out, int in, _In_ int64_t *offset, uint64_t count)');
    const fcntl = libc.func('int fcntl(int descriptor, int command, ...)');
    const close = libc.func('int close(int descriptor)');
    return {
      // In a thread, like every read: the file may have to come from a disk. More calls than koffi queues are refused, and not needed.
      sendfile: (socket, file, at, length) =>
        new Promise<number>((resolve, reject) => sendfile.async(socket, file, [at], length, (error: unknown, sent: number) => (error ? reject(error as Error) : resolve(sent)))).catch(() => 0),
      duplicate: (descriptor) => fcntl(descriptor, F_DUPFD_CLOEXEC, 'int', 0),
      close,
    };
  } catch {
    return undefined; // no koffi for this machine: everything is sent in the ordinary way
  }
}

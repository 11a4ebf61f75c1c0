// A thread of the bench's client that takes images as it is asked to, each over a connection of its own, into one buffer: the system's
// own calls, so that the client costs little beside the server that it measures.
import { parentPort } from 'node:worker_threads';
import koffi from 'koffi';

export interface Download {
  url: string;
  request: string;
  atLeast: number;
}

const libc = koffi.load(null);
const socket = libc.func('int socket(int domain, int type, int protocol)');
const connect = libc.func('int connect(int socket, void *address, uint32_t length)');
const send = libc.func('int64_t send(int socket, const char *bytes, uint64_t length, int flags)');
const recv = libc.func('int64_t recv(int socket, void *buffer, uint64_t length, int flags)');
const close = libc.func('int close(int socket)');
const [AF_INET, SOCK_STREAM] = [2, 1];

const buffer = Buffer.allocUnsafeSlow(1024 * 1024);

function download({ url, request, atLeast }: Download): number {
  const { hostname, port } = new URL(url);
  const address = Buffer.alloc(16); // sockaddr_in: family in this machine's order, port and address in the network's
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(Number(port), 2);
  address.set(hostname.split('.').map(Number), 4);
  const descriptor = socket(AF_INET, SOCK_STREAM, 0) as number;
  if (connect(descriptor, address, address.length) !== 0) throw new Error(`cannot connect to ${url}: ${koffi.errno()}`);
  send(descriptor, request, Buffer.byteLength(request), 0);
  let bytes = 0;
  for (let length = 1; length > 0; bytes += length) length = Math.max(0, Number(recv(descriptor, buffer, buffer.length, 0)));
  close(descriptor);
  if (bytes < atLeast) throw new Error(`${url} gave ${bytes} bytes`);
  return bytes;
}

parentPort?.on('message', (one: Download) => parentPort?.postMessage(download(one)));
parentPort?.postMessage('ready');

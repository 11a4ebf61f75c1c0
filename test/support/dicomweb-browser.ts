// dicomweb-client, as OHIF uses it, in a real browser on a page of the server's own origin.
import { readFile } from 'node:fs/promises';
import { chromium, type Browser, type Page } from 'playwright-core';
import { findTool } from './peers.ts';

const LIBRARY = new URL('../../node_modules/dicomweb-client/build/dicomweb-client.js', import.meta.url);

export class DicomwebBrowser implements AsyncDisposable {
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async start(): Promise<DicomwebBrowser> {
    return new DicomwebBrowser(await chromium.launch({ executablePath: findTool('chromium'), args: ['--no-sandbox'] }));
  }

  /** @param root of the DICOMweb services @param origin of the page that asks them; else the server's own */
  async client(root: string, origin = root): Promise<DicomwebClient> {
    // The gateway's pages run no script but its own.
    const context = await this.#browser.newContext({ bypassCSP: true });
    const page = await context.newPage();
    await page.goto(new URL('/no-such-page', origin).href);
    await page.addScriptTag({ content: await readFile(LIBRARY, 'utf8') });
    return new DicomwebClient(page, root);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}

export class DicomwebClient {
  readonly #page: Page;
  readonly #root: string;

  constructor(page: Page, root: string) {
    this.#page = page;
    this.#root = root;
  }

  /** A method of the library. Buffers that it gives come back as SHA-256 and length. @throws {Error} with the server's status */
  async call(method: string, options: object = {}): Promise<unknown> {
    const answer = await this.#page.evaluate(CALL, { root: this.#root, method, options });
    if ('failure' in answer) throw new Error(answer.failure);
    return answer.value;
  }

  async store(files: readonly Uint8Array[]): Promise<void> {
    const answer = await this.#page.evaluate(STORE, { root: this.#root, files: files.map((file) => Buffer.from(file).toString('base64')) });
    if (answer !== '') throw new Error(answer);
  }
}

// What runs in the page, which has the library as a global.
interface Library {
  DICOMwebClient: { api: { DICOMwebClient: new (options: object) => Record<string, (options: object) => Promise<unknown>> } };
}

async function CALL({ root, method, options }: { root: string; method: string; options: object }): Promise<{ value: unknown } | { failure: string }> {
  const { DICOMwebClient: library } = globalThis as unknown as Library;
  const client = new library.api.DICOMwebClient({ url: root });
  const plain = async (value: unknown): Promise<unknown> => {
    if (Array.isArray(value)) return Promise.all(value.map(plain));
    if (!(value instanceof ArrayBuffer)) return value;
    const digest = [...new Uint8Array(await crypto.subtle.digest('SHA-256', value))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    return { bytes: value.byteLength, digest };
  };
  try {
    return { value: await plain(await client[method]!(options)) };
  } catch (error) {
    const { message, status } = error as Error & { status?: number };
    return { failure: `${method}: ${message} ${status ?? ''}` };
  }
}

async function STORE({ root, files }: { root: string; files: string[] }): Promise<string> {
  const { DICOMwebClient: library } = globalThis as unknown as Library;
  const client = new library.api.DICOMwebClient({ url: root });
  const datasets = files.map((file) => Uint8Array.from(atob(file), (character) => character.charCodeAt(0)).buffer);
  return client['storeInstances']!({ datasets }).then(() => '', (error: Error & { status?: number }) => `storeInstances: ${error.message} ${error.status ?? ''}`);
}

// As much of XMLHttpRequest as the JavaScript dicomweb-client needs, which is written for browsers.

export class FetchRequest {
  readyState = 0;
  status = 0;
  response: unknown;
  responseType = '';
  onreadystatechange: (() => void) | undefined;
  #method = '';
  #url = '';
  #headers: Record<string, string> = {};
  #answered = new Headers();

  open(method: string, url: string): void {
    this.#method = method.toUpperCase();
    this.#url = url;
  }

  setRequestHeader(name: string, value: string): void {
    this.#headers[name] = value;
  }

  getResponseHeader(name: string): string | null {
    return this.#answered.get(name);
  }

  getAllResponseHeaders(): string {
    return [...this.#answered].map(([name, value]) => `${name}: ${value}`).join('\r\n');
  }

  send(body?: BodyInit): void {
    void fetch(this.#url, { method: this.#method, headers: this.#headers, ...(body && { body }) }).then(async (response) => {
      this.#answered = response.headers;
      this.status = response.status;
      this.response = this.responseType === 'arraybuffer' ? await response.arrayBuffer() : this.responseType === 'json' ? await response.json() : await response.text();
      this.readyState = 4;
      this.onreadystatechange?.();
    });
  }
}

/** For the options of one of the client's requests. */
export function fetched(): { instance: XMLHttpRequest } {
  return { instance: new FetchRequest() as unknown as XMLHttpRequest };
}

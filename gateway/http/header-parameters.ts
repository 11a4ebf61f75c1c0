// Media types with parameters, and Accept (RFC 9110 5.6, 8.3.1, 12.5.1): DICOMweb quotes slashes and stars in parameters.

export interface MediaType {
  /** Lower case, without parameters: multipart/related. */
  type: string;
  /** Names in lower case; values as they stand, unquoted. */
  parameters: Map<string, string>;
}

/** Parses a Content-Type; undefined when it is none. */
export function parseMediaType(header: string): MediaType | undefined {
  const [first = '', ...rest] = splitOutsideQuotes(header, ';');
  const type = first.trim().toLowerCase();
  if (!/^[^\s/]+\/[^\s/]+$/.test(type)) return undefined;
  const parameters = new Map<string, string>();
  for (const piece of rest) {
    const equals = piece.indexOf('=');
    if (equals < 0) continue;
    const name = piece.slice(0, equals).trim().toLowerCase();
    if (!parameters.has(name)) parameters.set(name, unquote(piece.slice(equals + 1).trim()));
  }
  return { type, parameters };
}

/** The media ranges of an Accept header, the most wanted first; nothing said accepts everything. */
export function parseAccept(header: string | undefined): MediaType[] {
  if (header === undefined || header.trim() === '') return [{ type: '*/*', parameters: new Map() }];
  const ranges = splitOutsideQuotes(header, ',')
    .map(parseMediaType)
    .filter((range) => range !== undefined)
    .map((range) => ({ range, quality: Number(range.parameters.get('q') ?? 1) }))
    .filter(({ quality }) => quality > 0);
  return ranges.toSorted((a, b) => b.quality - a.quality).map(({ range }) => range);
}

/** Whether a range such as application/* covers the type. */
export function covers(range: MediaType, type: string): boolean {
  return range.type === '*/*' || range.type === type || (range.type.endsWith('/*') && type.startsWith(range.type.slice(0, -1)));
}

function splitOutsideQuotes(text: string, separator: string): string[] {
  const pieces: string[] = [];
  let quoted = false;
  let start = 0;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (quoted && character === '\\') index++;
    else if (character === '"') quoted = !quoted;
    else if (!quoted && character === separator) {
      pieces.push(text.slice(start, index));
      start = index + 1;
    }
  }
  pieces.push(text.slice(start));
  return pieces;
}

function unquote(value: string): string {
  return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1).replaceAll(/\\(.)/g, '$1') : value;
}

// What else there is at an address that has no such method: 405 with Allow (RFC 9110 15.5.6), and OPTIONS (9.3.7).

type Paths = Readonly<Record<string, object>>;
interface Pattern {
  matches: RegExp;
  methods: string[];
}
const known = new WeakMap<Paths, Pattern[]>();

/** Methods at this path by the OpenAPI description, in capitals; none where there is nothing. GET brings HEAD with it. */
export function allowedMethods(path: string, paths: Paths): string[] {
  const methods = new Set(patternsOf(paths).filter(({ matches }) => matches.test(path)).flatMap((pattern) => pattern.methods));
  if (methods.size === 0) return [];
  if (methods.has('GET')) methods.add('HEAD');
  return [...methods, 'OPTIONS'].toSorted();
}

function patternsOf(paths: Paths): Pattern[] {
  let patterns = known.get(paths);
  if (!patterns) {
    patterns = Object.entries(paths).map(([template, operations]) => ({ matches: expression(template), methods: Object.keys(operations).map((method) => method.toUpperCase()) }));
    known.set(paths, patterns);
  }
  return patterns;
}

/** {path} stands for any number of segments, every other name for one. */
function expression(template: string): RegExp {
  const pieces = template.split(/(\{\w+\})/).map((piece) => (piece === '{path}' ? '.+' : piece.startsWith('{') ? '[^/]+' : RegExp.escape(piece)));
  return new RegExp(`^${pieces.join('')}/?$`, 'i');
}

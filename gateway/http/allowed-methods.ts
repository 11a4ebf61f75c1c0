// What else there is at an address that has no such method: 405 with Allow (RFC 9110 15.5.6), and OPTIONS (9.3.7).

/** @param paths of the OpenAPI description @returns methods at a path, in capitals; none where there is nothing. GET brings HEAD with it */
export function methodsByAddress(paths: Readonly<Record<string, object>>): (path: string) => string[] {
  const patterns = Object.entries(paths).map(([template, operations]) => ({ matches: expression(template), methods: Object.keys(operations).map((method) => method.toUpperCase()) }));
  return (path) => {
    const methods = new Set(patterns.filter(({ matches }) => matches.test(path)).flatMap((pattern) => pattern.methods));
    if (methods.size === 0) return [];
    if (methods.has('GET')) methods.add('HEAD');
    return [...methods, 'OPTIONS'].toSorted();
  };
}

/** {path} stands for any number of segments, every other name for one. */
function expression(template: string): RegExp {
  const pieces = template.split(/(\{\w+\})/).map((piece) => (piece === '{path}' ? '.+' : piece.startsWith('{') ? '[^/]+' : RegExp.escape(piece)));
  return new RegExp(`^${pieces.join('')}/?$`, 'i');
}

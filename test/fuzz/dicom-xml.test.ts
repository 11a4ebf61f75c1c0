// Any dataset comes back from XML as it was, and no text, however broken, makes the reader throw anything but its own error.
import assert from 'node:assert/strict';
import { XMLParser } from 'fast-xml-parser';
import fc from 'fast-check';
import type { Dataset, DicomElement } from '../../storage/dicom/dataset.ts';
import { datasetXml, parseDatasetXml } from '../../storage/dicom/xml.ts';
import { parseXml } from '../../storage/dicom/xml-document.ts';
import { DicomFormatError } from '../../storage/errors.ts';
import { assertDicomJson } from '../support/dicom-json.ts';

/** Text that XML can hold and that a reader of files would give: no space at its ends, no NUL. */
// oxlint-disable-next-line no-control-regex -- control characters are what XML cannot hold
const xmlText = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).map((text) => text.replaceAll(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\\]/g, '<').trim()).filter((text) => text !== '');
const component = xmlText.map((text) => text.replaceAll(/[\^=]/g, '-'));
const group = fc.array(component, { minLength: 1, maxLength: 6 }).map((components) => components.join('^'));
const name = fc.record({ Alphabetic: group, Ideographic: group, Phonetic: group }, { requiredKeys: ['Alphabetic'], noNullPrototype: true });
const values = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<(T | null)[]> => fc.array(fc.option(value), { minLength: 1, maxLength: 4 }).filter((list) => list.some((entry) => entry !== null));
const of = (vr: string, Value: fc.Arbitrary<DicomElement['Value']>): fc.Arbitrary<DicomElement> => fc.oneof({ weight: 1, arbitrary: fc.constant({ vr }) }, { weight: 5, arbitrary: Value.map((list) => ({ vr, Value: list! })) });
const float = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (Object.is(number, -0) ? 0 : number)), fc.constantFrom('NaN', 'Infinity', '-Infinity'));

const { dataset: anyDataset } = fc.letrec<{ dataset: Dataset; element: [string, DicomElement] }>((tie) => ({
  element: fc.oneof(
    { depthSize: 'small' },
    fc.tuple(fc.constantFrom('00100020', '00081030', '00090010', '00090011', '00091001', '00091101', '60020022'), of('LO', values(xmlText))),
    fc.tuple(fc.constantFrom('00100010', '00080090'), of('PN', values(name))),
    fc.tuple(fc.constant('00104000'), of('LT', xmlText.map((text) => [text]))),
    fc.tuple(fc.constantFrom('00280010', '00091002'), of('US', values(fc.nat(65535)))),
    fc.tuple(fc.constantFrom('00189220', '00091003'), of('FD', values(float))),
    fc.tuple(fc.constantFrom('7FE00010', '00091004'), fc.oneof(fc.uint8Array({ minLength: 1 }).map((bytes) => ({ vr: 'OB', InlineBinary: Buffer.from(bytes).toString('base64') })), fc.webUrl().map((BulkDataURI) => ({ vr: 'OB', BulkDataURI })))),
    fc.tuple(fc.constantFrom('00081140', '00091005'), of('SQ', fc.array(tie('dataset'), { minLength: 1, maxLength: 3 }))),
  ),
  dataset: fc.array(tie('element'), { maxLength: 6 }).map((elements) => Object.fromEntries(elements)),
}));

/** An element as it can be written: text and children in any order, some of the text as CDATA, comments between. */
interface Written {
  xml: string;
}
const words = fc.string({ unit: 'binary', maxLength: 8 }).map((text) => text.replaceAll(/[^\t\n\x20-\ud7ff]/g, ''));
const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const { element: anyElement } = fc.letrec<{ element: Written; content: string }>((tie) => ({
  content: fc.oneof(
    { depthSize: 'small' },
    words.map(escaped),
    words.filter((text) => !text.includes(']]>')).map((text) => `<![CDATA[${text}]]>`),
    words.filter((text) => !text.includes('-')).map((text) => `<!--${text}-->`),
    tie('element').map(({ xml }) => xml),
  ),
  element: fc.tuple(fc.constantFrom('Value', 'Item', 'x:Item', 'other'), fc.uniqueArray(fc.constantFrom('tag', 'vr', 'number'), { maxLength: 3 }), words, fc.array(tie('content'), { maxLength: 4 }), fc.constantFrom('', ' ', '\n')).map(([tag, attributes, value, content, space]) => {
    const open = `${tag}${attributes.map((attribute) => ` ${attribute}="${escaped(value).replaceAll('"', '&quot;').replaceAll(/[\t\n]/g, ' ')}"`).join('')}${space}`;
    return { xml: content.length === 0 ? `<${open}/>` : `<${open}>${content.join('')}</${tag}${space}>` };
  }),
}));

describe('any XML document', () => {
  it('is read as another parser reads it', () => {
    const repeated = new Set(['Value', 'Item']);
    const other = new XMLParser({
      ignoreAttributes: false, attributeNamePrefix: '@', removeNSPrefix: true, parseTagValue: false, trimValues: false, alwaysCreateTextNode: true,
      isArray: (name, _path, _leaf, attribute) => !attribute && repeated.has(name),
    });
    /** One leaves out text that is empty, the other does not. */
    const plain = (node: unknown): unknown => {
      if (Array.isArray(node)) return node.map(plain);
      if (typeof node !== 'object' || node === null) return node;
      return Object.fromEntries(Object.entries(node).filter(([name, value]) => name !== '#text' || value !== '').map(([name, value]) => [name, plain(value)]).toSorted());
    };
    fc.assert(fc.property(anyElement, ({ xml }) => assert.deepEqual(plain(parseXml(xml, repeated)), plain(other.parse(xml)))), { numRuns: 500 });
  });
});

describe('DICOM XML of any dataset', function () {
  this.timeout(60_000);

  it('comes back as it was', () => {
    fc.assert(
      fc.property(anyDataset, (dataset) => {
        const read = parseDatasetXml(datasetXml(dataset));
        assert.deepEqual(read, dataset);
        assertDicomJson(read);
      }),
      { numRuns: 500 },
    );
  });

  it('stays well-formed whatever text it has', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)) }), (creator, text) => {
      parseDatasetXml(datasetXml({ '00090010': { vr: 'LO', Value: [creator] }, '00091001': { vr: 'UT', Value: [text] }, '00100010': { vr: 'PN', Value: [{ Alphabetic: text }] } }));
    }), { numRuns: 500 });
  });

  it('is refused with a reason when it is broken, and nothing else happens', () => {
    const damage = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), length: fc.nat(12), insert: fc.oneof(fc.constantFrom('<', '>', '&', '"', '</Item>', '<Value>', '<!--', '<![CDATA[', '&#0;', '<!DOCTYPE x>', 'number="-1"', '__proto__'), fc.string({ maxLength: 4 })) });
    fc.assert(
      fc.property(anyDataset, fc.array(damage, { minLength: 1, maxLength: 3 }), (dataset, damages) => {
        let xml = datasetXml(dataset);
        for (const { at, length, insert } of damages) xml = xml.slice(0, Math.floor(at * xml.length)) + insert + xml.slice(Math.floor(at * xml.length) + length);
        try {
          assertDicomJson(datasetOf(xml));
        } catch (error) {
          if (!(error instanceof DicomFormatError)) throw error;
        }
      }),
      { numRuns: 1000 },
    );
  });
});

/** As JSON has it: what is read from broken XML may have values that this VR's schema does not know, but no other shape. */
function datasetOf(xml: string): Dataset {
  const read = parseDatasetXml(xml);
  return Object.fromEntries(Object.entries(read).map(([tag, { vr }]) => [tag, { vr }]));
}

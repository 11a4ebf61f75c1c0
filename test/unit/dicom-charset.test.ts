import assert from 'node:assert/strict';
import { areDefinedTerms, textEncoder } from '../../storage/dicom/charset-encoder.ts';
import { textDecoder } from '../../storage/dicom/charset.ts';
import { items, personName, text, texts } from '../../storage/dicom/dataset.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import { element, file, item } from '../support/dicom-bytes.ts';

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex');
const latin = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const EXPLICIT = '1.2.840.10008.1.2.1';

describe('text by Specific Character Set', () => {
  const singleByte: [string, string, string][] = [
    ['ISO_IR 100', 'c4 6e 65 61 73', 'Äneas'],
    ['ISO_IR 101', 'b1 e6 ea', 'ąćę'],
    ['ISO_IR 109', 'a1 b1', 'Ħħ'],
    ['ISO_IR 110', 'a2 b3', 'ĸŗ'],
    ['ISO_IR 144', 'bb ee 63', 'Люc'],
    ['ISO_IR 127', 'e2 c8 c7 e6 ea', 'قباني'],
    ['ISO_IR 126', 'c4 e9 ef', 'Διο'],
    ['ISO_IR 138', 'f9 f8 e5 ef', 'שרון'],
    ['ISO_IR 148', 'd0 fd fe', 'Ğış'],
    ['ISO_IR 166', 'a1 d2', 'กา'],
    ['ISO_IR 203', 'a4', '€'],
    ['ISO_IR 13', 'd4 cf c0 de', 'ﾔﾏﾀﾞ'],
    ['ISO_IR 192', 'e5 b1 b1', '山'],
    ['GB18030', 'cd f5 5e d0 a1', '王^小'],
    ['GBK', 'cd f5', '王'],
    ['', '41 42', 'AB'],
    ['ISO_IR 6', '41 42', 'AB'],
  ];
  for (const [term, bytes, expected] of singleByte)
    it(`reads ${term || 'the default repertoire'}`, () => {
      assert.equal(textDecoder([term])(hex(bytes), 'LO'), expected);
      // The same set named as one with code extensions, and as careless writers name it.
      if (/^ISO_IR \d+$/.test(term) && term !== 'ISO_IR 192') {
        assert.equal(textDecoder([term.replace('ISO_IR', 'ISO 2022 IR')])(hex(bytes), 'LO'), expected);
        assert.equal(textDecoder([term.replace('ISO_IR ', 'ISO-IR ')])(hex(bytes), 'LO'), expected);
      }
    });

  it('reads the Japanese names of PS3.5 annex H, with katakana in G1 too', () => {
    const kanji = textDecoder(['', 'ISO 2022 IR 87']);
    const name = latin('Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B');
    assert.equal(kanji(name, 'PN'), 'Yamada^Tarou=山田^太郎=やまだ^たろう');
    const mixed = textDecoder(['ISO 2022 IR 13', 'ISO 2022 IR 87']);
    const halfWidth = latin('\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J');
    assert.equal(mixed(halfWidth, 'PN'), 'ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎');
  });

  it('reads JIS X 0212, which stands beside JIS X 0208', () => {
    assert.equal(textDecoder(['', 'ISO 2022 IR 87', 'ISO 2022 IR 159'])(latin('\x1b$(D0!\x1b(B'), 'LO'), '丂');
  });

  it('reads the Korean name of PS3.5 annex I, and one whose writer forgot the escape', () => {
    const korean = textDecoder(['', 'ISO 2022 IR 149']);
    const name = latin('Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf');
    assert.equal(korean(name, 'PN'), 'Hong^Gildong=洪^吉洞=홍^길동');
    assert.equal(korean(latin('\xc8\xab^\xb1\xe6\xb5\xbf'), 'PN'), '홍^길동');
  });

  it('reads Chinese with code extensions (PS3.5 annex K)', () => {
    const chinese = textDecoder(['', 'ISO 2022 IR 58']);
    assert.equal(chinese(latin('Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab='), 'PN'), 'Zhang^XiaoDong=张^小东=');
  });

  it('goes back to the initial sets after a delimiter', () => {
    const decode = textDecoder(['ISO 2022 IR 100', 'ISO 2022 IR 144']);
    assert.equal(decode(latin('\x1b-L\xbb\xee\\\xe9'), 'LO'), 'Лю\\é');
    assert.equal(decode(latin('\x1b-L\xbb\xee^\xe9'), 'PN'), 'Лю^é');
    assert.equal(decode(latin('\x1b-L\xbb\xee^\xbb'), 'LO'), 'Лю^Л');
  });

  it('loses nothing where the bytes are not of the set: UTF-8 if it is valid, else Latin 1', () => {
    assert.equal(textDecoder([])(hex('c3bc'), 'LO'), 'ü');
    assert.equal(textDecoder([])(hex('fc'), 'LO'), 'ü');
    assert.equal(textDecoder(['ISO_IR 192'])(hex('fc'), 'LO'), 'ü');
    assert.equal(textDecoder(['nonsense'])(hex('fc'), 'LO'), 'ü');
    assert.equal(textDecoder(['ISO 2022 IR 87'])(hex('1b2421411b'), 'LO'), '\ufffd$!A\ufffd');
  });
});

describe('text of a file', () => {
  it('takes the character set of an item for the item, and that of the dataset elsewhere', () => {
    const inner = Buffer.concat([element('00080005', 'CS', 'ISO_IR 144'), element('00321060', 'LO', '\xbb\xee')]);
    const plain = element('00321060', 'LO', '\xe9\xe8');
    const { dataset } = parsePart10(
      file(EXPLICIT, element('00080005', 'CS', 'ISO_IR 100'), element('00400275', 'SQ', Buffer.concat([item(inner), item(plain)])), element('00402400', 'LT', '\xe9 ')),
    );
    const requests = items(dataset, 'RequestAttributesSequence');
    assert.deepEqual(requests.map((request) => text(request, 'RequestedProcedureDescription')), ['Лю', 'éè']);
    assert.equal(text(dataset, 'ImagingServiceRequestComments'), 'é');
  });

  it('does not take the second byte of a character for a backslash', () => {
    // GB18030 has characters whose second byte is 5C.
    const { dataset } = parsePart10(file(EXPLICIT, element('00080005', 'CS', 'GB18030 '), element('00080080', 'LO', hex('815c 5c 41'))));
    assert.deepEqual(texts(dataset, 'InstitutionName'), [new TextDecoder('gb18030').decode(hex('815c')), 'A']);
  });

  it('leaves text of the default repertoire alone, and removes padding and NUL', () => {
    const { dataset } = parsePart10(
      file(EXPLICIT, element('00080005', 'CS', 'ISO_IR 192'), element('00080060', 'CS', ' CR '), element('00100010', 'PN', 'A^B\0 '), element('00100020', 'LO', 'a\0b ')),
    );
    assert.equal(text(dataset, 'Modality'), 'CR');
    assert.deepEqual(personName(dataset, 'PatientName'), { Alphabetic: 'A^B' });
    assert.equal(text(dataset, 'PatientID'), 'ab');
  });
});

describe('text in a Specific Character Set', () => {
  const encoded = (terms: string[], value: string, vr: string): string | undefined => {
    const bytes = textEncoder(terms)(value, vr);
    return bytes && Buffer.from(bytes).toString('latin1');
  };

  const names: [string[], string][] = [
    [['ISO_IR 100'], 'Äneas^Rüdiger'],
    [['ISO_IR 101'], 'Wałęsa^Ćwik'],
    [['ISO_IR 109'], 'Ħħ^Ġ'],
    [['ISO_IR 110'], 'ĸŗ^Ä'],
    [['ISO_IR 144'], 'Люкceмбypг'],
    [['ISO_IR 127'], 'قباني^لنزار'],
    [['ISO_IR 126'], 'Διονυσιος'],
    [['ISO_IR 138'], 'שרון^דבורה'],
    [['ISO_IR 148'], 'Çavuşoğlu^İnönü'],
    [['ISO_IR 166'], 'กานดา'],
    [['ISO_IR 203'], '€^Œdipe'],
    [['ISO_IR 13'], 'ﾔﾏﾀﾞ^ﾀﾛｳ'],
    [['ISO_IR 192'], '山^太=🫁'],
    [['GB18030'], 'Wang^XiaoDong=王^小东'],
    [['GBK'], 'Wang=王'],
    [['ISO 2022 IR 100', 'ISO 2022 IR 144', 'ISO 2022 IR 126'], 'Äneas=Люкc^é=Διο^é'],
    [['ISO 2022 IR 6', 'ISO 2022 IR 58'], 'Zhang^XiaoDong=张^小东='],
    [['', 'ISO 2022 IR 87', 'ISO 2022 IR 159'], 'Yamada=山田丂^太郎'],
  ];
  for (const [terms, name] of names)
    it(`is what is read from it: ${terms.join('\\')}`, () => {
      assert.ok(areDefinedTerms(terms));
      const bytes = textEncoder(terms)(name, 'PN');
      assert.ok(bytes);
      assert.equal(textDecoder(terms)(bytes, 'PN'), name);
      assert.equal(terms[0] === 'ISO_IR 192', Buffer.from(bytes).equals(Buffer.from(name)));
    });

  it('has the bytes of the examples of PS3.5 (H.3.1, H.3.2, I.2, K.2)', () => {
    const kanji = 'Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B';
    assert.equal(encoded(['', 'ISO 2022 IR 87'], 'Yamada^Tarou=山田^太郎=やまだ^たろう', 'PN'), kanji);
    const katakana = '\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J';
    assert.equal(encoded(['ISO 2022 IR 13', 'ISO 2022 IR 87'], 'ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう', 'PN'), katakana);
    const korean = 'Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf';
    assert.equal(encoded(['', 'ISO 2022 IR 149'], 'Hong^Gildong=洪^吉洞=홍^길동', 'PN'), korean);
    const chinese = 'Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=';
    assert.equal(encoded(['', 'ISO 2022 IR 58'], 'Zhang^XiaoDong=张^小东=', 'PN'), chinese);
  });

  it('is none where the sets have no such character, or the VR none but the default repertoire', () => {
    assert.equal(encoded(['ISO_IR 100'], 'Łódź', 'LO'), undefined);
    assert.equal(encoded([], 'é', 'LO'), undefined);
    assert.equal(encoded(['', 'ISO 2022 IR 87'], '홍', 'PN'), undefined);
    assert.equal(encoded(['GB18030'], '🫁', 'LO'), undefined);
    assert.equal(encoded(['ISO_IR 13'], 'a~b', 'LO'), undefined);
    assert.equal(encoded(['ISO_IR 100'], 'é', 'CS'), undefined);
  });

  it('is written only by terms that every reader knows', () => {
    for (const terms of [[], [''], ['ISO_IR 100'], ['', 'ISO 2022 IR 87'], ['ISO 2022 IR 13', 'ISO 2022 IR 87'], ['GB18030']]) assert.ok(areDefinedTerms(terms), terms.join());
    for (const terms of [['ISO-IR 100'], ['latin1'], ['ISO 2022 IR 87'], ['ISO_IR 192', 'ISO 2022 IR 87'], ['ISO_IR 100', 'ISO 2022 IR 144']]) assert.ok(!areDefinedTerms(terms), terms.join());
  });
});

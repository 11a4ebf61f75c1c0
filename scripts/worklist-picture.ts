// Makes docs/worklist.png: the page of a running demo with its most suspicious study opened. Run from the root of the project:
// node scripts/worklist-picture.ts [FOLDER of DICOM files]. Needs chromium, and a font for names in other scripts
// (fonts-noto-cjk).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import sharp from 'sharp';

const TARGET = 'docs/worklist.png';
const SIZE = { width: 1600, height: 1000 };

const demo = spawn(process.execPath, ['gateway/cli.ts', 'demo', ...process.argv.slice(2)], { stdio: ['ignore', 'pipe', 'inherit'] });
const ended = once(demo, 'exit');
try {
  const page = await openedPage();
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
  try {
    const tab = await browser.newPage({ viewport: SIZE });
    await tab.goto(page);
    await tab.locator('.worklist tbody tr').first().click();
    await tab.locator('.analysis-image svg .region').first().waitFor();
    await tab.waitForFunction(() => document.querySelector<HTMLImageElement>('.analysis-image img')?.naturalWidth);
    const picture = await tab.screenshot();
    const { size } = await sharp(picture).png({ palette: true, colours: 128, compressionLevel: 9, effort: 10 }).toFile(TARGET);
    process.stdout.write(`${TARGET}: ${Math.round(size / 1024)} KB\n`);
  } finally {
    await browser.close();
  }
} finally {
  demo.kill('SIGTERM');
  await ended;
}

/** Waits for the demo to have its table. @returns the page's address */
async function openedPage(): Promise<string> {
  for await (const line of createInterface({ input: demo.stdout })) {
    const [, address] = /^The worklist stays open at (\S+)/.exec(line) ?? [];
    if (address !== undefined) return address;
  }
  throw new Error('the demo ended before its page was open');
}

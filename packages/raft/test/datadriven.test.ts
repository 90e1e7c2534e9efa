import assert from 'node:assert/strict';
import { meaningOf, parseTranscript, rewriteTranscript } from './datadriven.ts';

describe('transcript parser', () => {
  it('reads commands, arguments, input and answers', () => {
    const text = [
      '# a comment',
      '',
      'add-nodes 2 voters=(1, 2) index=3 empty= none=()',
      '----',
      'ok',
      '',
      'propose-conf-change 1 \\',
      '  v1=true',
      'v2',
      ' r3 ',
      '----',
      'line one',
      '  line two',
    ].join('\n');
    assert.deepEqual(parseTranscript(text), [
      {
        line: 3,
        command: 'add-nodes',
        args: [
          { key: '2', values: [] },
          { key: 'voters', values: ['1', '2'] },
          { key: 'index', values: ['3'] },
          { key: 'empty', values: [''] },
          { key: 'none', values: [] },
        ],
        input: '',
        expected: 'ok',
        answer: { from: 4, to: 5 },
      },
      {
        line: 7,
        command: 'propose-conf-change',
        args: [
          { key: '1', values: [] },
          { key: 'v1', values: ['true'] },
        ],
        input: 'v2\n r3',
        expected: 'line one\n  line two',
        answer: { from: 11, to: 13 },
      },
    ]);
  });

  it('lets an answer between double separators hold blank lines', () => {
    const [first, second] = parseTranscript('a\n----\n----\none\n\ntwo\n----\n----\n\nb\n----\nok\n');
    assert.equal(first?.expected, 'one\n\ntwo');
    assert.equal(second?.command, 'b');
  });

  it('refuses a directive without a separator and unbalanced parentheses', () => {
    assert.throws(() => parseTranscript('stabilize\n'), /line 1: the directive has no ----/);
    assert.throws(() => parseTranscript('a b=(1\n----\n'), /not closed/);
    assert.throws(() => parseTranscript('a b)\n----\n'), /without an opening/);
  });

  it('writes other answers into a file and leaves everything else as it is', () => {
    const text = '# why\na\n----\nold\nolder\n\nb\n----\n----\none\n\ntwo\n----\n----\n\nc\n----\n\n# end\n';
    const rewritten = rewriteTranscript(text, parseTranscript(text), ['new', 'x\ny', 'ok']);
    assert.equal(rewritten, '# why\na\n----\nnew\n\nb\n----\nx\ny\n\nc\n----\nok\n\n# end\n');
    assert.equal(rewriteTranscript(rewritten, parseTranscript(rewritten), ['new', 'x\ny', 'ok']), rewritten);
  });

  it('compares answers without their log lines', () => {
    assert.equal(meaningOf('INFO 1 became leader\n  DEBUG x\n'), 'ok');
    assert.equal(
      meaningOf('> 1 handling Ready\n  INFO noise\n  <empty Ready>\n'),
      '> 1 handling Ready\n  <empty Ready>',
    );
    assert.equal(meaningOf('ok'), 'ok');
  });
});

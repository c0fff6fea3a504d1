"""Small templates, each about one thing, grouped by what they are about."""

CONTEXT = {
    "n": 7,
    "z": 0,
    "f": 2.5,
    "t": True,
    "nil": None,
    "s": "Hello, World",
    "u": "Grüße, Ὀδυσσεύς 🦊",
    "w": "  padded\ttext \n",
    "lines": "one\ntwo\r\nthree\n\nfour",
    "xs": [3, 1, 2],
    "ws": ["b", "a", "C", "B"],
    "d": {"b": 1, "a": 2, "C": 3, "items": "shadow"},
    "people": [
        {"name": "Ann", "age": 31, "home": {"city": "Oslo"}, "tags": ["x", "y"]},
        {"name": "bob", "age": 25, "home": {"city": "Rome"}, "tags": []},
        {"name": "Cid", "age": 31, "home": {"city": "oslo"}},
    ],
    "nested": {"a": [1, [2, {"b": [None, True, 1.5]}]], "e": {}, "l": []},
    "html": "<a href=\"x\">Tom & 'Jerry'</a>",
    "big": 9007199254740993,
}

EXPRESSIONS = """
1 + 2 * 3
(1 + 2) * 3
7 // 2
-7 // 2
7 // -2
7 % 3
-7 % 3
7 % -3
7.5 // 2
-7.5 // 2
7.5 % 2
-7.5 % 2
7.5 % -2
-0.0 % 3
1 / 2
4 / 2
1 / 3
2 ** 10
2 ** -1
2 ** 3 ** 2
-2 ** 2
2.0 ** 0.5
0 ** 0
1 / 0
1 // 0
1 % 0
1.0 / 0
0.0 // 0
0 ** -1
(-8) ** 0.5
10.0 ** 400
1e308 * 10
-(1e308 * 10)
5 - -3
- 3
+ 3
+t
-t
--3
1 - 1 - 1
100 / 10 / 5
2 * 3 % 4
1 + 2 ~ 3 + 4
'a' ~ 1 ~ none ~ true ~ 1.0 ~ [1] ~ missing
1_000 + 0x1F + 0b101 + 0o17
1_0.5
1e3
1.5e-7
1e16
1e15
123456789012345680.0
0.0001
0.00001
1e22
1.0
100.0
-0.0
3.14
0.1 + 0.2
5e-324
1.7976931348623157e308
big
big + 0
big == 9007199254740992.0
9223372036854775807
-9223372036854775807 - 1
'a' + 'b'
'a' + 1
1 + 'a'
'ab' * 3
3 * 'ab'
'ab' * -1
'ab' * 1.5
[1] * 2
2 * [1, 2]
(1, 2) * 2
[1] + [2]
(1,) + (2, 3)
[1] + (2,)
'a' - 'b'
none + 1
t + t
t * 3
true + 1.5
1 == 1.0
1 == true
0 == false
'1' == 1
none == none
none == false
none == missing
missing == missing
[1, 2] == [1, 2.0]
(1, 2) == [1, 2]
{'a': 1, 'b': 2} == {'b': 2, 'a': 1}
1 != 2
1 < 2
1 < 2 < 3
1 < 3 < 2
1 < 2 == 2
3 > 2 >= 2 != 1
'a' < 'b'
'B' < 'a'
'a' < 1
'é' > 'z'
'🦊' > '\\uffff'
[1, 2] < [1, 3]
[1] < [1, 0]
(1, 'a') < (1, 'b')
[1] < (1,)
none < 1
missing < 1
1.5 < 2
1 <= 1.0
'a' in 'cat'
'' in 'cat'
'x' not in 'cat'
1 in 'cat'
1 in [1, 2]
1.0 in [1, 2]
true in [1]
'a' in d
'items' in d
'z' in d
[1] in d
1 in (2, 3)
3 in range(5)
3.5 in range(5)
'a' in range(5)
4 in range(0, 9, 2)
5 in range(0, 9, 2)
6 in range(9, 0, -3)
1 in 5
1 in none
1 in missing
not 1 in [2]
not true
not none
not ''
not [] and not {}
1 and 2
0 and 2
1 or 2
0 or '' or none
0 or '' or 'x'
none and missing.x
1 or missing.x
n > 5 and n < 10
not n > 5 or true
1 if true else 2
1 if false else 2
1 if false
'a' if z else 'b' if t else 'c'
(1 if false) is undefined
[1 if t else 2, 3]
n
f
t
nil
s
u
missing
missing.x
missing['x']
missing()
missing + 1
-missing
missing ~ 'x'
nil.x
nil.x.y
nil['x']
nil[0]
n.x
n['x']
n.x.y
s.x
s['x']
s[0]
s[-1]
s[100]
s[-100]
s['0']
s[1.0]
s[true]
s.0
xs.0
xs[0]
xs[-1]
xs[3]
xs['0']
xs[none]
xs.x
xs[true]
u[3]
u[-1]
u[7]
d.a
d['a']
d.items
d['items']
d.keys
d.zzz
d['zzz']
d[1]
d[[1]]
d.get('a')
d.get('zzz')
d.get('zzz', 5)
d.get('zzz', default=5)
d.get()
d.keys()
d.values()
d.items()
d.keys()|list
d.values()|list
d.items()|list
d.keys()[0]
d.items() == d.items()
d.copy()
d.pop('a')
d.update({'x': 1})
d.clear
d.setdefault is defined
xs.append(4)
xs.append is defined
xs.pop is callable
xs.sort()
xs.index(1)
xs.index(9)
xs.count(1)
xs.copy()
(1, 2, 1).count(1)
(1, 2).index(2)
range(3)
range(3)|list
range(1, 4)|list
range(10, 0, -3)|list
range(0)|list
range(5)[1]
range(5)[-1]
range(5)[9]
range(10)[2:8:3]
range(10)[::-1]|list
range(10)[8:2:-2]|list
range(1, 10, 2)
range(0, 3, 1)
range(3).start
range(3)|length
range(3) == range(0, 3, 1)
range(1.5)
range('3')
range(1, 2, 0)
range(200000)
range(true)|list
s[1:4]
s[:5]
s[-5:]
s[::2]
s[::-1]
s[5:1:-1]
s[100:]
s[:-100]
s[::0]
s['a':]
s[1.0:]
s[none:3]
u[7:-2]
u[::-1]
xs[1:]
xs[:-1]
xs[::-1]
xs[::2]
xs[5:]
xs[-2:]
xs[1:2][0]
(1, 2, 3)[1:]
d[1:2]
nil[1:2]
n[1:2]
missing[1:2]
xs[0, 1]
xs[0:1, 1]
d[('a', 1)]
[]
[1, 'a', none, true, 1.5, 'it''s', "it's", 'say "hi"', 'both \\' and "']
[1, 2,]
()
(1,)
(1, 2)
1, 2
(1)
{}
{'a': 1, 'b': [1, {'c': none}]}
{1: 'a', 1.0: 'b', true: 'c'}
{(1, 2): 3, none: 4}
{[1]: 2}
{'a': 1,}
{'a': missing}
[missing]
['\\n\\t\\\\', '\\x00\\x7f\\xa0é\\u200b\\U0001f98a']
'a\\nb'
'\\x41\\u00e9\\101\\q\\'\\"'
"tab\\there"
'a' 'b' "c"
'\\N{DIGIT ONE}'
'\\u12'
'unclosed
1 +
(1
1)
[1, 2
{'a' 1}
{'a': }
a b
1 2
!x
x ! y
$x
1.2.3
012
1__0
99999999999999999999999
'a'.upper()
s.upper()
s.lower()
s.title()
s.capitalize()
s.swapcase()
'hELLO wORLD o\\'neil 3rd x-ray'.title()
'ΑΣ ΑΣΑ Σ'.lower()
'straße ŉ ǆ'.upper()
'ǆ ﬁ'.title()
'ﬁx'.capitalize()
w.strip()
w.lstrip()
w.rstrip()
'xxaxbxx'.strip('x')
'xyaxy'.lstrip('yx')
'axyyx'.rstrip('xy')
'abc'.strip('')
'\\u2003\\xa0a\\u200b'.strip()
'a'.strip(none)
'a'.strip(1)
s.split()
s.split(',')
s.split(', ')
s.split('l', 1)
s.split('l', maxsplit=1)
s.split(sep='o')
s.split('')
s.split('x')
' a  b c '.split()
' a  b c '.split(none, 1)
' a  b c '.split(' ')
''.split()
''.split(',')
'a,b,c,d'.rsplit(',', 2)
' a  b c '.rsplit(none, 1)
'aaaa'.rsplit('aa', 1)
'aaa'.rsplit('aa')
lines.splitlines()
lines.splitlines(true)
'a\\x0bb\\x1cc\\u2028d'.splitlines()
''.splitlines()
'a\\n'.splitlines()
s.startswith('He')
s.startswith(('x', 'He'))
s.startswith('l', 2)
s.startswith('')
s.startswith(1)
s.startswith(['He'])
s.endswith('ld')
s.endswith(('a', 'd'))
s.endswith('lo', 0, 5)
''.endswith('')
s.replace('l', 'L')
s.replace('l', 'L', 1)
s.replace('l', '')
s.replace('', '-')
s.replace('', '-', 3)
'aaa'.replace('aa', 'b')
s.replace('l')
s.replace(1, 2)
s.find('o')
s.find('o', 5)
s.find('o', 5, 7)
s.find('zz')
s.find('')
s.find('', 100)
s.rfind('o')
s.rfind('')
u.find('🦊')
u.rfind('σ')
s.index('W')
s.index('zz')
s.rindex('l')
s.count('l')
s.count('')
'aaaa'.count('aa')
s.count('l', 5)
', '.join(['a', 'b'])
''.join([])
', '.join('abc')
', '.join([1])
', '.join(d)
'a-b'.partition('-')
'a-b-c'.rpartition('-')
'ab'.partition('-')
'ab'.rpartition('-')
'prefixed'.removeprefix('pre')
'prefixed'.removesuffix('xed')
'prefixed'.removeprefix('x')
'ab'.center(7)
'abc'.center(6, '*')
'ab'.ljust(5, '.')
'ab'.rjust(5)
'-42'.zfill(6)
'42'.zfill(1)
'a\\tb'.expandtabs(4)
'abc'.isalpha()
'abc1'.isalnum()
'123'.isdigit()
'²'.isdigit()
'½'.isnumeric()
'٣'.isdecimal()
''.isalpha()
' '.isspace()
'Ab'.isupper()
'AB1'.isupper()
'ab'.islower()
'Ab Cd'.istitle()
'é'.isascii()
'a'.nope()
'a'.encode is undefined
'{} and {}'.format(1, 'b')
'{1} {0} {1}'.format(1, 2)
'{a} {b!r}'.format(a=1, b='x')
'{0.name} {0[age]}'.format(people[0])
'{:>6}|{:<6}|{:^6}|'.format('a', 'b', 'c')
'{:*^9}'.format('mid')
'{:05d} {:+d} {: d}'.format(42, 42, 42)
'{:x} {:X} {:#x} {:b} {:o} {:c}'.format(255, 255, 255, 5, 8, 65)
'{:,} {:_}'.format(1234567, 1234567)
'{:.2f} {:.0f} {:8.3f} {:e} {:g}'.format(3.14159, 2.5, 2.71828, 12345.678, 0.00001)
'{:.1%}'.format(0.256)
'{:.3}'.format('abcdef')
'{:.3}'.format(3.14159)
'{:10.2f}|{:<10.2f}|{:+.1f}'.format(1.5, 1.5, 1.25)
'{:{}}'.format('a', 5)
'{{}} {}'.format(1)
'{}'.format()
'{x}'.format()
'{'.format(1)
'}'.format(1)
'{:d}'.format('a')
'{:d}'.format(1.5)
'{!s} {!r}'.format('a', 'a')
'{0} {}'.format(1, 2)
'{}'.format(none)
'{:5}'.format(none)
'{:5}|{:5}'.format(true, 12)
'{a}'.format_map({'a': 1})
'%s %d %r' % ('a', 3, 'b')
'%5d|%-5d|%05d|%+d' % (42, 42, 42, 42)
'%.2f %e %g %i' % (3.14159, 1234.5, 0.5, 7.9)
'%x %o %X %#x' % (255, 8, 255, 255)
'%c%c' % (65, 'b')
'%%' % ()
'%(a)s-%(b)03d' % {'a': 'x', 'b': 7}
'%s' % missing
'%s' % [1]
'%s' % none
'%s %s' % 'a'
'%s' % ('a', 'b')
'%d' % 'a'
'%y' % 1
'%5.1f|%-8s|%8s' % (2.25, 'ab', 'cd')
'abc' % ()
'abc' % 1
'abc' % [1]
s|upper
s|lower
s|title
'hello-world (foo) [bar] <baz> it\\'s'|title
s|capitalize
5|upper
missing|upper
none|upper
w|trim
'xxaxx'|trim('x')
5|trim
missing|trim
s|length
u|length
xs|count
d|length
missing|length
none|length
5|length
(xs|map('string'))|length
s|first
s|last
xs|first
xs|last
[]|first
[]|last
''|first
d|first
d|last
d.items()|last
(xs|map('string'))|first
(xs|map('string'))|last
none|first
5|last
xs|join
xs|join(', ')
xs|join(1)
people|join('-', attribute='name')
people|join(attribute='home.city')
'abc'|join('.')
missing|join
[missing, none, true]|join(',')
5|join
missing|default('x')
missing|d('x')
none|default('x')
none|default('x', true)
''|default('x', boolean=true)
missing|default
missing.x|default('y')
d.zz|default('y')
s|replace('l', 'L')
s|replace('l', 'L', 2)
s|replace('l', 'L', count=1)
123|replace(2, 'x')
missing|replace('a', 'b')
s|replace('l')
xs|list
s|list
d|list
5|list
missing|list
d|items|list
missing|items|list
none|items|list
xs|items|list
d|dictsort
d|dictsort(true)
d|dictsort(false, 'value')
d|dictsort(by='value', reverse=true)
d|dictsort(by='x')
xs|dictsort
{1: 'a', 'b': 2}|dictsort
xs|sort
xs|sort(reverse=true)
ws|sort
ws|sort(case_sensitive=true)
ws|sort(true)
people|sort(attribute='age')|map(attribute='name')|list
people|sort(attribute='age,name', reverse=true)|map(attribute='name')|list
people|sort(attribute='home.city')|map(attribute='name')|list
[1, 'a']|sort
'hello'|sort
d|sort
missing|sort
ws|unique|list
ws|unique(case_sensitive=true)|list
[1, 1.0, true, 2]|unique|list
people|unique(attribute='age')|map(attribute='name')|list
[[1], [1]]|unique|list
ws|map('upper')|list
ws|map('replace', 'a', 'z')|list
people|map(attribute='name')|list
people|map(attribute='tags')|list
people|map(attribute='tags', default=[])|list
people|map(attribute='tags.0', default='none')|list
people|map(attribute='home.city')|map('lower')|join(',')
[1, 2]|map('nope')|list
xs|map|list
none|map('upper')|list
missing|map('upper')|list
5|map('upper')|list
0|map('upper')|list
xs|select('odd')|list
xs|select('>', 1)|list
[0, 1, '', 'a', none]|select|list
xs|reject('odd')|list
xs|reject('gt', 1)|list
[0, 1]|reject|list
people|selectattr('age', 'equalto', 31)|map(attribute='name')|list
people|selectattr('tags')|map(attribute='name')|list
people|selectattr('tags', 'defined')|list|length
people|rejectattr('age', 'lt', 30)|map(attribute='name')|list
people|selectattr('home.city', 'in', ['Oslo'])|list|length
people|selectattr('age', '==', 25)|list
people|selectattr('age', 'nope')|list
people|selectattr|list
none|selectattr('a')|list
5|select|list
5|string
none|string
1.0|string
[1, 'a']|string
missing|string
'42'|int
' 42 '|int
'42.9'|int
'-7'|int
'abc'|int
'abc'|int(5)
'abc'|int(default=6)
'ff'|int(base=16)
'0xff'|int(base=16)
'0b11'|int(0, 2)
'1_000'|int
'1__0'|int
'1e3'|int
'inf'|int
'nan'|int
3.9|int
-3.9|int
true|int
none|int
[]|int
missing|int
'３'|int
'3.5'|float
'abc'|float
'abc'|float(1.5)
'1e3'|float
'inf'|float
'-inf'|float
'nan'|float
'1_0.5'|float
'.5'|float
'5.'|float
'.'|float
7|float
none|float
missing|float
-5|abs
-5.5|abs
true|abs
'a'|abs
missing|abs
2.5|round
3.5|round
2.675|round(2)
42.55|round(1)
42.55|round(1, 'floor')
42.51|round(1, 'ceil')
42|round
42|round(1, 'floor')
1234|round(-2)
1250|round(-2)
1350|round(-2)
1234.5|round(-2)
'a'|round
2.5|round(0, 'x')
true|round
-2.5|round
0.5|round
1.005|round(2)
'a\\nb\\n\\nc'|indent
'a\\nb\\n\\nc'|indent(2)
'a\\nb\\n\\nc'|indent(2, true)
'a\\nb\\n\\nc'|indent(width=3, first=true, blank=true)
'a\\nb'|indent('> ')
'a\\n'|indent
''|indent
''|indent(first=true)
5|indent
html|e
html|escape
html|safe
html|safe|e
html|e|e
html|forceescape
(html|safe)|forceescape
('<b>'|safe) + '<i>'
'<i>' + ('<b>'|safe)
('<b>'|safe) ~ '<i>'
('<b>'|safe) * 2
[('<b>'|safe)]
('<b>'|safe) == '<b>'
('<b>'|safe) is string
('<b>'|safe) is escaped
('<b>'|safe)|upper
('<b>'|safe).upper()
('<b>'|safe)|replace('<', '(')
('<b>'|safe)|tojson
{('a'|safe): 1}
5|e
none|e
[1, 2, 3, 4, 5]|batch(2)|list
[1, 2, 3, 4, 5]|batch(2, 0)|list
[1, 2, 3, 4, 5]|batch(3, fill_with='x')|list
[1, 2]|batch
[1, 2]|batch(0)|list
[1, 2, 3, 4, 5]|slice(2)|list
[1, 2, 3, 4, 5]|slice(3, 'x')|list
[1]|slice(3)|list
[1]|slice(0)|list
xs|sum
[1.5, 2]|sum
[]|sum
people|sum(attribute='age')
people|sum('age', 100)
['a']|sum
[[1], [2]]|sum(start=[])
xs|sum(start='a')
xs|min
xs|max
ws|min
ws|max
ws|min(case_sensitive=true)
ws|max(true)
[]|min
people|max(attribute='age')
people|min(attribute='name')
[1, 'a']|max
'hello'|max
people|groupby('age')
people|groupby('home.city')|map('first')|list
people|groupby('home.city', case_sensitive=true)|length
people|groupby('tags.0', default='-')|map('first')|list
xs|reverse
xs|reverse|list
s|reverse
u|reverse
range(3)|reverse|list
d|reverse|list
d.items()|reverse|list
(xs|map('string'))|reverse|list
5|reverse
'Hello, big-wide world_x'|wordcount
''|wordcount
u|wordcount
'%s and %s'|format('a', 'b')
'%(x)s'|format(x=1)
'%s'|format
'%d'|format('a')
'%s'|format(1, x=2)
'ab'|center(6)
'hello big world'|truncate(9)
'hello big world'|truncate(9, true)
'hello big world'|truncate(11)
'hello big world'|truncate(11, false, '...', 0)
'hello big world'|truncate(8, end='!', leeway=0)
'abc'|truncate(2)
'a b/c?d&é'|urlencode
{'a b': 'c/d', 'e': 1}|urlencode
5|urlencode
s|attr('upper')()
d|attr('a')
d|attr('items')()|list
missing|attr('x')
s|nope
s|count.x
d|tojson
nested|tojson
nested|tojson(indent=2)
nested|tojson(indent=0)
nested|tojson(indent='--')
nested|tojson(indent=-1)
nested|tojson(separators=(',', ':'))
nested|tojson(indent=1, separators=(';', '='))
d|tojson(sort_keys=true)
u|tojson
u|tojson(ensure_ascii=true)
html|tojson
'\\x00\\x1f\\x7f\\u2028"\\\\/\\b\\f'|tojson
'\\x7f'|tojson(ensure_ascii=true)
[1.0, 1e16, 1e-7, -0.0, 1e308 * 10]|tojson
(1, 2)|tojson
{1: 2, none: 3, true: 4, 1.5: 5}|tojson
{(1, 2): 3}|tojson
missing|tojson
range(3)|tojson
d.items()|tojson
(xs|map('string'))|tojson
namespace(a=1)|tojson
none|tojson
'a'|tojson|tojson
n is defined
missing is defined
missing is undefined
missing is not defined
d.zz is defined
nil is none
nil is not none
missing is none
s is string
n is string
d is mapping
xs is mapping
s is sequence
d is sequence
n is sequence
missing is sequence
d.items() is sequence
(xs|map('string')) is sequence
(xs|map('string')) is iterable
s is iterable
n is iterable
nil is iterable
n is number
f is number
t is number
s is number
n is integer
t is integer
f is float
t is boolean
1 is boolean
t is true
1 is true
false is false
z is false
n is odd
n is even
2.0 is even
s is odd
n is divisibleby 7
n is divisibleby(2)
n is divisibleby 0
1 is eq 1
1 is equalto 1.0
1 is == 1
1 is ne 2
2 is gt 1
2 is greaterthan 1
1 is lt 2
1 is ge 1
1 is le 0
1 is in [1]
1 is not in [1]
'a' is in 'abc'
s is lower
'ab' is lower
'AB' is upper
'' is upper
range is callable
s.upper is callable
s is callable
missing is callable
1 is sameas 1
true is sameas true
1 is sameas true
none is sameas none
'upper' is filter
'nope' is filter
'odd' is test
s is escaped
n is nope
n is defined and n is odd
n is odd or missing is defined
n is odd and not missing
(n is odd) == true
n is defined is true
not n is odd
n is odd if t else 1
1 + n is odd
-n is odd
-n|abs
-n|string|length
n|string + 'x'
2 * n|string|int
s|upper|lower|length
[3, 1]|sort|first
(1, 2)|first + 1
dict(a=1, b=2)
dict({'a': 1}, b=2)
dict([('a', 1), ['b', 2]])
dict(1)
dict([(1,)])
dict()
dict.fromkeys(['a', 'b'], 1)
{}.fromkeys('ab')
namespace(a=1).a
namespace(a=1).b
namespace({'a': 2}).a
namespace(a=1)['a']
namespace(a=1)
namespace(a=1) is mapping
'a' in namespace(a=1)
cycler('a', 'b').next()
cycler('a').current
cycler()
joiner('|')()
raise_exception('no ' ~ n)
raise_exception()
raise_exception is defined
strftime_now('%Y-%m-%d %H:%M:%S')
strftime_now('%d %b %Y, %A %a %B %j %y %I %p %e %-d %-m %%')
strftime_now('%U %W %w %u %F %T %R %D %c %x %X')
strftime_now('no directives, é')
strftime_now()
[1, 2, 3][:2]|join('+')
xs|sort|join(',') ~ '!'
people[0].home.city
people[0]['home']['city'][0]
people[1].tags|length
people|length > 2 and people[0].age >= 30
(people|first).name
(people|last)['name']|upper
people[0].tags[-1:]
people[-1].name ~ people[-2].name
[people[0].name, people[1].name]|join(' & ')
d.items()|map('first')|list
d.values()|sum
d.items()|list|length
d|map('upper')|list
nested.a[1][1].b[2]
nested['a'].1.1['b']
range(n)|select('even')|map('string')|join
(range(3)|list)[1]
[[1, 2], [3, 4]]|map('first')|list
[[1, 2], [3, 4]]|map(attribute=1)|list
[[1, 2], [3, 4]]|map('join', '-')|list
['a', 'b']|map('upper')|map('lower')|list|tojson
*xs
xs|join(*[', '])
dict(**{'a': 1})
dict(**{'a': 1}, a=2)
'{} {}'.format(*xs)
'{a}'.format(**{'a': 1})
s.upper(1)
s.split(',', x=1)
range(a=1)
lambda x: x
x = 1
[x for x in xs]
xs if xs else []
loop
loop.index
self
true
True
false
none
None
[true, True, none, None]
_private
s.__class__
s.__class__.__mro__
s._x
people[0].__class__ is defined
(1).bit_length()
f.is_integer()
""".strip("\n").split("\n")

STATEMENTS = [
    "{% if n %}a{% endif %}",
    "{% if z %}a{% elif n %}b{% else %}c{% endif %}",
    "{% if z %}a{% elif nil %}b{% elif '' %}c{% else %}d{% endif %}",
    "{% if n: %}a{% endif %}",
    "{% if n == 7 and s %}yes{% endif %}",
    "{% for x in xs %}{{ x }},{% endfor %}",
    "{% for x in [] %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in missing %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in none %}{{ x }}{% endfor %}",
    "{% for x in 5 %}{{ x }}{% endfor %}",
    "{% for c in u %}[{{ c }}]{% endfor %}",
    "{% for k in d %}{{ k }}{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in d|items %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in d|dictsort %}{{ k }}={{ v }};{% endfor %}",
    "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}",
    "{% for a, b in ['xy'] %}{{ a }}-{{ b }}{% endfor %}",
    "{% for x in xs if x > 1 %}{{ x }}:{{ loop.index }}/{{ loop.length }} {% endfor %}",
    "{% for x in xs if x > 9 %}{{ x }}{% else %}empty{% endfor %}",
    "{% for x in xs if loop %}{{ x }}{% endfor %}",
    "{% for x in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }}|{% endfor %}",
    "{% for x in xs %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}",
    "{% for x in xs %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }} {% endfor %}",
    "{% for x in xs %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in xs %}{{ loop.cycle() }}{% endfor %}",
    "{% for x in [1, 1, 2, 2, 1] %}{% if loop.changed(x) %}{{ x }}{% endif %}{% endfor %}",
    "{% for x in xs %}{{ loop }}{% endfor %}",
    "{% for x in xs %}{{ loop.nope }}{{ loop['index'] }}{% endfor %}",
    "{% for x in xs %}{% for y in 'ab' %}{{ loop.index }}{{ y }}{{ x }} {% endfor %}{{ loop.index }};{% endfor %}",
    "{% for x in xs %}{% set outer = loop %}{% for y in 'ab' %}{{ outer.index }}{{ loop.last }}{% endfor %}{% endfor %}",
    "{% for x in xs %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in xs %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in xs %}{% break %}{% else %}else{% endfor %}",
    "{% break %}",
    "{% for x in xs %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
    "{% for x in range(3) %}{% for y in range(3) %}{% if y == 1 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %}",
    "{% for x in xs %}{{ x }}{% endfor %}{{ x }}",
    "{% set x = 1 %}{% for y in xs %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}",
    "{% set ns = namespace(x=1) %}{% for y in xs %}{% set ns.x = ns.x + y %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace() %}{% set ns.a = 1 %}{% set ns.b = [ns.a, 2] %}{{ ns.b }}{{ ns.c }}",
    "{% set ns = namespace(a=1) %}{% set ns.a, b = 5, 6 %}{{ ns.a }}{{ b }}",
    "{% set d2 = {} %}{% set d2.a = 1 %}{{ d2 }}",
    "{% set nope.a = 1 %}",
    "{% set ns = namespace(n=0) %}{% for x in range(6) if ns.n < 2 %}{% set ns.n = ns.n + 1 %}{{ x }}{% endfor %}",
    "{% set ns = namespace(n=0) %}{% for x in range(6) if ns.n < 2 %}{{ loop.last }}{% set ns.n = ns.n + 1 %}{{ x }}{% endfor %}",
    "{% set g = xs|map('string') %}{{ g|join }}-{{ g|join }}",
    "{% set g = xs|map('string') %}{% for x in g %}{{ x }}{% break %}{% endfor %}-{{ g|list }}",
    "{% set g = xs|select %}{% if g %}true{% endif %}{{ g|list }}{% if g %}still{% endif %}",
    "{% set g = xs|map('int') %}{{ 1 in g }}{{ g|list }}",
    "{% for x in xs|map('string') %}{{ loop.length }}{{ loop.last }}{{ x }} {% endfor %}",
    "{% for x in xs|map('string') if x != '1' %}{{ loop.revindex }}{{ x }} {% endfor %}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set a, b = [1] %}",
    "{% set (a, b) = (1, 2) %}{{ a + b }}",
    "{% set a = 1, 2 %}{{ a }}",
    "{% set 1 = 2 %}",
    "{% set a.b.c = 2 %}",
    "{% set x %}body {{ n }}{% endset %}[{{ x }}]",
    "{% set x | upper %}body {{ n }}{% endset %}[{{ x }}]",
    "{% set x | trim | replace('b', 'c') %} body {% endset %}[{{ x }}]",
    "{% set ns = namespace() %}{% set ns.x %}in{% endset %}{{ ns.x }}",
    "{% set x = 1 %}{% set y %}{% set x = 2 %}{{ x }}{% endset %}{{ x }}{{ y }}",
    "{% if true %}{% set x = 1 %}{% endif %}{{ x }}",
    "{% if false %}{% set x = 1 %}{% endif %}{{ x is defined }}",
    "{% set n = n + 1 %}{{ n }}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% with a = n %}{% set n = 3 %}{{ a }}{{ n }}{% endwith %}{{ n }}",
    "{% with %}x{% endwith %}",
    "{% macro m(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}|{{ m(1, 3) }}|{{ m(1, c=4) }}|{{ m(b=5, a=6) }}|{{ m() }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}",
    "{% macro m(a, b=1, c) %}{% endmacro %}",
    "{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}",
    "{% macro m() %}{{ n }}{% endmacro %}{% set n = 9 %}{{ m() }}",
    "{% macro m() %}{{ later }}{% endmacro %}{{ m() }}{% set later = 9 %}{{ m() }}",
    "{% macro m() %}{% set n = 1 %}{{ n }}{% endmacro %}{{ m() }}{{ n }}",
    "{% macro f(x) %}{% if x > 0 %}{{ x }}{{ f(x - 1) }}{% endif %}{% endmacro %}{{ f(4) }}",
    "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(4) }}",
    "{% macro m() %}<a>{% endmacro %}{{ m() + '<b>' }}{{ m()|length }}{{ m is callable }}{{ m.name }}{{ m.arguments }}",
    "{% macro m(x) %}[{{ caller(x) }}]{% endmacro %}{% call(y) m(3) %}{{ y }}{{ n }}{% endcall %}",
    "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}body{% endcall %}",
    "{% macro m() %}[{{ caller() }}]{% endmacro %}{{ m() }}",
    "{% macro m() %}[x]{% endmacro %}{% call m() %}body{% endcall %}",
    "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}{% call m() %}{% endcall %}",
    "{% call s.upper() %}{% endcall %}",
    "{% call 5 %}{% endcall %}",
    "{% for x in xs %}{% macro m() %}{{ x }}{{ loop.index }}{% endmacro %}{{ m() }}{% endfor %}",
    "{% filter upper %}abc {{ s }}{% endfilter %}",
    "{% filter replace('a', 'b')|upper %}abc{% endfilter %}",
    "{% filter nope %}abc{% endfilter %}",
    "{% raw %}{{ x }} {% if %}{% endraw %}",
    "a {%- raw -%} {{ x }} {%- endraw -%} b",
    "  {% raw %}\n  x\n  {% endraw %}\n  y",
    "{% raw %}",
    "{% generation %}{{ s }}{% endgeneration %}",
    "{% generation %}{% set q = 1 %}{{ q }}{% endgeneration %}{{ q is defined }}",
    "{% for x in xs %}{% generation %}{{ x }}{{ loop.index }}{% endgeneration %}{% endfor %}",
    "{% print n, s %}",
    "{% do n %}",
    "{% nope %}",
    "{% endif %}",
    "{% if n %}",
    "{% for x in xs %}",
    "{% for x xs %}{% endfor %}",
    "{% if %}{% endif %}",
    "{% if n %}{% endfor %}",
    "{% set %}",
    "{% %}",
    "{{ }}",
    "{{ n",
    "{{ n }",
    "{% if n",
    "{# unclosed",
    "a{# c #}b",
    "a\n{# c #}\nb",
    "a\n  {# c #}  \nb",
    "a {#- c -#} b",
    "a\n  {#+ c +#}\nb",
    "{#-#}x{##}y",
    "{{ '}}' }}{{ '{{' }}{{ \"%}\" }}",
    "{{ {'a': {'b': 1}}['a']['b'] }}{{ {'a': {}} }}",
    "{{ [[1,[2]]][0] }}",
    "a {{ n }} b",
    "a {{- n -}} b",
    "a\n{{- n -}}\nb",
    "a\n{{ n }}\nb\n",
    "a\n{{ n }}\n\n",
    "\n",
    "",
    "a\r\nb\rc\n",
    "a\n  {% if n %}\n  b\n  {% endif %}\nc",
    "a\n  {%+ if n %}\n  b\n  {%+ endif %}\nc",
    "a\n  {%- if n -%}\n  b\n  {%- endif -%}\nc",
    "a\n  {% if n +%}\n  b\n  {% endif +%}\nc",
    "a  {% if n %}  b  {% endif %}  c",
    "  {% if n %}x{% endif %}",
    "\t {% set q = 1 %}\n\t {{ q }}",
    "  {{ n }}\n  {% set x = 1 %}  \n  {{ x }}",
    "{% if n %}\n\n a{% endif %}\n\n b",
    "{{ n }}  {% if n %}x{% endif %}",
    "{% if n %}{% endif %}  {% if n %}y{% endif %}",
    "{{ n -}}  \n  {% if n %}y{% endif %}",
    "x {#- a -#}  {% if n %}y{% endif %}",
    "a\u00a0\n\u2003{%- if n %}b{% endif %}",
    "a\n\u00a0{% if n %}b{% endif %}",
    "{{ 'a\nb' }}",
    "{{ 1\n+\n2 }}",
    "{% set x = [\n  1,\n  2,\n] %}{{ x }}",
    "{{ n;n }}",
    "{{ n, }}",
    "{{ (n,) }}",
    "{%- for x in xs -%}\n {{ x }}\n{%- endfor -%}\n",
    "{% for x in xs -%}\n {{ x }}\n{% endfor %}\n",
    "{% for n in xs recursive %}{{ n }}{% endfor %}",
    "{% for x in [[1, [2, 3]], 4] recursive %}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}@{{ loop.depth }}{% endif %}{% endfor %}",
    "{% for x in xs %}{{ loop(x) }}{% endfor %}",
    "{% set c = cycler('a', 'b', 'c') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.current }}",
    "{% set j = joiner(', ') %}{% for x in xs %}{{ j() }}{{ x }}{% endfor %}",
    "{% if 'nope' is filter %}{{ s|nope }}{% else %}no{% endif %}",
    "{% if false %}{{ s|nope }}{% endif %}",
    "{{ s|nope if false else 'ok' }}",
    "{% for x in xs %}{{ s|nope }}{% endfor %}",
    "{% for x in [] %}{{ s|nope }}{% endfor %}",
    "{% if s is nope %}{% endif %}",
    "{% include 'x' %}",
    "{% extends 'x' %}",
    "{% import 'x' as y %}",
    "{{ range(3)|map('string')|join }}{{ raise_exception('Stop: ' ~ [1, 'a']) }}",
    "{% set ns = namespace(self=1) %}{{ ns.self }}",
    "{% set ns = namespace(a=[]) %}{% for x in xs %}{% set ns.a = ns.a + [x * 2] %}{% endfor %}{{ ns.a }}",
    "{% set range = 5 %}{{ range }}",
    "{% set loop = 5 %}{{ loop }}{% for x in [1] %}{{ loop.index }}{% endfor %}{{ loop }}",
    "{% for loop in xs %}{{ loop }}{% endfor %}",
    "{% for é in xs %}{{ é }}{% endfor %}",
    "{{ 'x' if n }}{{ 'y' if z }}",
    "{% set x = 'a' if z %}[{{ x }}]{{ x is defined }}",
    "{% for p in people %}{{ p.name }}:{{ p.tags|default([])|join('/') }};{% endfor %}",
    "{% for g in people|groupby('age') %}{{ g[0] }}={{ g[1]|map(attribute='name')|join(',') }};{% endfor %}",
    "{% for age, them in people|groupby('age') %}{{ age }}{{ them|length }};{% endfor %}",
    "{% for b in range(5)|batch(2) %}{{ b }}{% endfor %}",
    "{%- set a = 1 -%}\n\n{%- set b = 2 -%}\n{{ a ~ b }}",
    "{% set content = s | replace('World', 'There') | trim %}{{ content ~ '!' }}",
    "{{ bos_token }}{{ bos_token ~ 'x' }}{{ bos_token + 'x' }}",
    "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{{ add_generation_prompt }}",
    "{{- '<|im_start|>' + s + '\\n' }}",
    "{{ '\\\\n' }}{{ '\\\\' }}",
    "{{ \"it's\" }}{{ 'say \"hi\"' }}",
    "{%if n%}a{%endif%}{{n}}{%-if n-%}b{%-endif-%}",
    "{{n}}}}",
    "{ { n } } {% if n %}%}{% endif %}",
]


def cases():
    """Templates with no variable but those of CONTEXT."""
    for expression in EXPRESSIONS:
        yield "{{ " + expression + " }}"
    yield from STATEMENTS

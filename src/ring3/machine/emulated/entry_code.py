"""The ring-0 text. Generated from entry.S by tools/entry.py; do not edit."""

from __future__ import annotations

from ring3.abi.hints import Final

TEXT_HEX: Final = (
    "909090909090909090909090900f01f865488924250800000065488b2425000000006a2b65ff3425080000004153"
    "6a335150575652516ada415041514152415353554154415541564157fcfbe610fa84c00f8552010000415f415e41"
    "5d415c5d5b4883c408415a41594158584883c4085a5e5f488b4c24084c8b5c2418488b6424200f01f8480f070f01"
    "f865488b24250000000089c089ed6a2b559c48810c24000200000f01ca6a236a0050575652516ada415041514152"
    "415353554154415541564157fcfbe611fa84c00f85d8000000415f415e415d415c5d5b415b415a4159415858595a"
    "5e5f488b542408488b4c24204883c41848812424fffdffff9d0f01f8fb0f350f01ca0f01f889c050575652516ada"
    "415041514152415353554154415541564157fcfbe612faeb7c9cfa0f01ca0f01f850488b44240848874424184887"
    "4424104889442408488b0424575652516ada415041514152415353554154415541564157fcfbe613fa84c0753a41"
    "5f415e415d415c5d5b415b415a4159415858595a5e5f48890424488b442418488744240848874424104889442418"
    "580f01f89d48cbe61beb00fa415f415e415d415c5d5b415b415a4159415858595a5e5ff64424100374030f01f848"
    "83c40848cf6a005756be00000000e9770100006a005756be01000000e9690100006a005756be02000000e95b0100"
    "006a005756be03000000e94d0100006a005756be04000000e93f0100006a005756be05000000e9310100006a0057"
    "56be06000000e9230100006a005756be07000000e9150100005756be08000000e9090100006a005756be09000000"
    "e9fb0000005756be0a000000e9ef0000005756be0b000000e9e30000005756be0c000000e9d70000005756be0d00"
    "0000e9cb0000005756be0e000000e9bf0000006a005756be0f000000e9b10000006a005756be10000000e9a30000"
    "005756be11000000e9970000006a005756be12000000e9890000006a005756be13000000eb7e6a005756be140000"
    "00eb735756be15000000eb6a6a005756be16000000eb5f6a005756be17000000eb546a005756be18000000eb496a"
    "005756be19000000eb3e6a005756be1a000000eb336a005756be1b000000eb286a005756be1c000000eb1d5756be"
    "1d000000eb145756be1e000000eb0b6a005756be1f000000eb005251504150415141524153535541544155415641"
    "57fc0f01caf68424880000000374030f01f883fe0e75150f20d2f6842491000000027408fbe618e913feffffe618"
    "eb00e90afeffff6aff5756be20000000e9ae0000006aff5756be21000000e9a00000006aff5756be22000000e992"
    "0000006aff5756be23000000e9840000006aff5756be24000000eb796aff5756be25000000eb6e6aff5756be2600"
    "0000eb636aff5756be27000000eb586aff5756be28000000eb4d6aff5756be29000000eb426aff5756be2a000000"
    "eb376aff5756be2b000000eb2c6aff5756be2c000000eb216aff5756be2d000000eb166aff5756be2e000000eb0b"
    "6aff5756be2f000000eb00525150415041514152415353554154415541564157fc0f01caf6842488000000037403"
    "0f01f8e619eb00e91ffdffff49b800f0ffffff7f00004c39c60f876f0100004929f04c39c20f87630100000f1f80"
    "000000004889d10f01cb4883f94072540f1f4000488b064c8b46084c8b4e104c8b56184889074c8947084c894f10"
    "4c895718488b46204c8b46284c8b4e304c8b5638488947204c8947284c894f304c8957384883c6404883c7404883"
    "e9404883f94073b04883f9087218488b064889074883c6084883c7084883e9084883f90873e84885c9740f8a0688"
    "0748ffc648ffc748ffc975f10f01ca4889c8e61aeb0049b800f0ffffff7f00004c39c70f87ad0000004929f84c39"
    "c20f87a10000000f1f4400004889d10f01cb4883f94072540f1f4000488b064c8b46084c8b4e104c8b5618488907"
    "4c8947084c894f104c895718488b46204c8b46284c8b4e304c8b5638488947204c8947284c894f304c8957384883"
    "c6404883c7404883e9404883f94073b04883f9087218488b064889074883c6084883c7084883e9084883f90873e8"
    "4885c9740f8a06880748ffc648ffc748ffc975f10f01ca4889c8e61aeb004889d0e61aeb0049b800f0ffffff7f00"
    "004c39c777ea4929f84c39c277e24889d131c00f01cb4883f908720d4889074883c7084883e908ebed4885c9740a"
    "880748ffc748ffc975f60f01ca4889c8e61aeb0049b800f0ffffff7f00004531db49ffcb4c39c60f838900000049"
    "29f04c39c2760a4c89c249c7c3f2ffffff4889f949b9010101010101010149ba80808080808080800f01cb4883fa"
    "087228488b064989c04d29c848f7d04921c048f7d04d85d075114889074883c6084883c7084883ea08ebd24885d2"
    "74138a06880784c0741548ffc648ffc748ffca75ed0f01ca4c89d8e61aeb000f01ca4889f84829c8e61aeb000f01"
    "ca48c7c0f2ffffffe61aeb00b90400000049b800f0ffffff7f00004c39c70f87670200004929f84c39c10f875b02"
    "00004889f00f01cb8b074889c20f01ca31c0e61aeb00b90800000049b800f0ffffff7f00004c39c70f872f020000"
    "4929f84c39c10f87230200004889f00f01cb488b074889c20f01ca31c0e61aeb00b90400000049b800f0ffffff7f"
    "00004c39c70f87f60100004929f84c39c10f87ea0100004889f00f01cb89374889c20f01ca31c0e61aeb00b90800"
    "000049b800f0ffffff7f00004c39c70f87be0100004929f84c39c10f87b20100004889f00f01cb4889374889c20f"
    "01ca31c0e61aeb00b90400000049b800f0ffffff7f00004c39c70f87850100004929f84c39c10f87790100004889"
    "f00f01cbf00fb1174889c20f01ca31c0e61aeb00b90800000049b800f0ffffff7f00004c39c70f874b0100004929"
    "f84c39c10f873f0100004889f00f01cbf0480fb1174889c20f01ca31c0e61aeb00b90400000049b800f0ffffff7f"
    "00004c39c70f87100100004929f84c39c10f87040100004889f00f01cb87074889c20f01ca31c0e61aeb00b90400"
    "000049b800f0ffffff7f00004c39c70f87d80000004929f84c39c10f87cc0000004889f00f01cbf00fc1074889c2"
    "0f01ca31c0e61aeb00b90400000049b800f0ffffff7f00004c39c70f879e0000004929f84c39c10f879200000048"
    "89f00f01cb8b0789c209f2f00fb11775f64889c20f01ca31c0e61aeb00b90400000049b800f0ffffff7f00004c39"
    "c777604929f84c39c177584889f00f01cb8b0789c221f2f00fb11775f64889c20f01ca31c0e61aeb00b904000000"
    "49b800f0ffffff7f00004c39c777264929f84c39c1771e4889f00f01cb8b0789c231f2f00fb11775f64889c20f01"
    "ca31c0e61aeb000f01ca48c7c0f2ffffffe61aeb00488b074889c231c0e61aeb00480fae0731c0e61aeb00480fae"
    "0f31c0e61aeb00dbe3e61aeb0090e61aeb00fbf4ebfc"
)
"""What entry.S assembles to at layout.TEXT."""

VSYSCALL_HEX: Final = (
    "b8600000000f05c3cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "ccccccccccccccccccccccccb8c90000000f05c3cccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "ccccccccccccccccccccccccccccccccccccccccccccccccb8350100000f05c3"
)
"""The vsyscall page, to be filled up with INT3 (0xCC)."""

SYMBOLS: Final = {
    "entry_syscall": 0x0,
    "return_sysret": 0x57,
    "way_out_sysret": 0x85,
    "entry_sysenter": 0x88,
    "return_sysexit": 0xD1,
    "way_out_sysexit": 0x103,
    "entry_int80": 0x105,
    "entry_call_gate": 0x12D,
    "return_far": 0x16F,
    "way_out_far": 0x1A3,
    "entry_start": 0x1A5,
    "return_full": 0x1A9,
    "way_out_iret": 0x1CF,
    "exception_0": 0x1D1,
    "exception_1": 0x1DF,
    "exception_2": 0x1ED,
    "exception_3": 0x1FB,
    "exception_4": 0x209,
    "exception_5": 0x217,
    "exception_6": 0x225,
    "exception_7": 0x233,
    "exception_8": 0x241,
    "exception_9": 0x24D,
    "exception_10": 0x25B,
    "exception_11": 0x267,
    "exception_12": 0x273,
    "exception_13": 0x27F,
    "exception_14": 0x28B,
    "exception_15": 0x297,
    "exception_16": 0x2A5,
    "exception_17": 0x2B3,
    "exception_18": 0x2BF,
    "exception_19": 0x2CD,
    "exception_20": 0x2D8,
    "exception_21": 0x2E3,
    "exception_22": 0x2EC,
    "exception_23": 0x2F7,
    "exception_24": 0x302,
    "exception_25": 0x30D,
    "exception_26": 0x318,
    "exception_27": 0x323,
    "exception_28": 0x32E,
    "exception_29": 0x339,
    "exception_30": 0x342,
    "exception_31": 0x34B,
    "irq_0": 0x39F,
    "irq_1": 0x3AD,
    "irq_2": 0x3BB,
    "irq_3": 0x3C9,
    "irq_4": 0x3D7,
    "irq_5": 0x3E2,
    "irq_6": 0x3ED,
    "irq_7": 0x3F8,
    "irq_8": 0x403,
    "irq_9": 0x40E,
    "irq_10": 0x419,
    "irq_11": 0x424,
    "irq_12": 0x42F,
    "irq_13": 0x43A,
    "irq_14": 0x445,
    "irq_15": 0x450,
    "copy_from_user": 0x48A,
    "copy_from_user_checked": 0x4B0,
    "copy_to_user": 0x54C,
    "copy_to_user_checked": 0x570,
    "clear_user": 0x613,
    "copy_string_from_user": 0x65E,
    "get_user_32": 0x70E,
    "get_user_64": 0x746,
    "put_user_32": 0x77F,
    "put_user_64": 0x7B7,
    "cmpxchg_user_32": 0x7F0,
    "cmpxchg_user_64": 0x82A,
    "xchg_user_32": 0x865,
    "add_user_32": 0x89D,
    "or_user_32": 0x8D7,
    "and_user_32": 0x919,
    "xor_user_32": 0x953,
    "peek_outside_window": 0x99B,
    "save_fpu": 0x9A7,
    "restore_fpu": 0x9B1,
    "clear_fpu": 0x9BB,
    "breathe": 0x9C1,
    "idle": 0x9C6,
    "text_end": 0x9CA,
}
"""name -> offset in the text."""

EXCEPTION_TABLE: Final = (
    (0x4C0, 0x52E, 0x533),
    (0x533, 0x542, 0x542),
    (0x580, 0x5EE, 0x5F3),
    (0x5F3, 0x602, 0x602),
    (0x638, 0x645, 0x645),
    (0x64A, 0x654, 0x654),
    (0x6A9, 0x6D1, 0x6D6),
    (0x6D6, 0x6D8, 0x700),
    (0x738, 0x73A, 0x98D),
    (0x770, 0x773, 0x98D),
    (0x7A9, 0x7AB, 0x98D),
    (0x7E1, 0x7E4, 0x98D),
    (0x81A, 0x81E, 0x98D),
    (0x854, 0x859, 0x98D),
    (0x88F, 0x891, 0x98D),
    (0x8C7, 0x8CB, 0x98D),
    (0x901, 0x90D, 0x98D),
    (0x93B, 0x947, 0x98D),
    (0x975, 0x981, 0x98D),
    (0x99B, 0x99E, 0x98D),
    (0x9B1, 0x9B5, 0x98D),
)
"""(start, end, fixup), offsets in the text: a fault at start <= rip < end that
cannot be served continues at fixup."""

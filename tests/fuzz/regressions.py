"""Inputs that once ended badly, as rows for test_regressions.py; `python -m fuzz --target T --row FILE` makes a row."""

from __future__ import annotations

import base64
import textwrap
import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """An input that ended badly once.

    Attributes:
        target: name of the target that reads it.
        what: what happened then.
        packed: its bytes, compressed and in base 85.
    """

    target: str
    what: str
    packed: str

    @property
    def data(self) -> bytes:
        """The bytes of the file."""
        return zlib.decompress(base64.b85decode(self.packed))


def format_row(target: str, what: str, data: bytes) -> str:
    """Return the row for an input, as it stands in ROWS."""
    packed = base64.b85encode(zlib.compress(data, 9)).decode()
    lines = "\n".join(f'        "{line}"' for line in textwrap.wrap(packed, 108, break_on_hyphens=False))
    return f'    Row(\n        "{target}",\n        {what!r},\n{lines},\n    ),'


ROWS: tuple[Row, ...] = (
    Row(
        "flow-npy",
        "a signalling NaN: NumPy's warning",
        "c-oun7wQ`j$;eQ~P_3SlTAW;@Zl$1ZlV+i=qoAIaUsO_*m=~X4l#&V(cT3DEP6dh=XCxM+0{I%oItnH_3Pzeb3bhL40WO9i3K+rUhk5`GA{_t",
    ),
    Row(
        "webp",
        "an animated WebP's canvas of 16x1048588: 377 MiB",
        "c-jl{baQ*fz`zjh>J$(bU=hIuWHSLVKLZ0dgMg!-r!N}=3^@Avx<$cxU=<+11k|VC1Y}%bWSGmSCBVSL!04c+x`BZ?>7TTo0RzLoe;TPbb#9"
        "&e^Z3ro2RmyL)Bju!%(1uls8lb@`v3eo2mXJKe|&#yE`Zn&gJ}Z;$Oac6eFbg<0|VFw$9jH_-4_`CJ^wfBmXw|6L64`gDL<zd`~QwTysi6=o"
        "&0aB^rL^S&HPyZxA>3N^<&lz3=9AUe@3h",
    ),
    Row(
        "video-mp4",
        "interlaced planes of three rows: the filter's error",
        "c-oCpO=uHA6n@(@R&<5b_K-u+Z3rl$(1zeau*P}`g7pXL$wM}oS+aB|o6bxYnv21-Xz_=Fc=Oa-Z=xs&Uep|-qF1ka6Y)?4&-Kl0N+;2Zk9q"
        "Tc=6i2`z5#%YCzl((2pPZ#D2tkBjlv87?DsgOXgMRU1hAe#Y7EVbRQb}%c{?55vsbHMW9$C7F#h55zB6Z2UH<F!gSBIaSJ%^1ozd)<{OP%N_"
        "NFSkvUO`?UMTNsd82Ug=<QGEbg=cN@bK}Ha<7$tKAlHwVu^)eggXZ;su38F#5bIJV1XLDVhy5(<0AZ1MsRS+-9_|o$VI(p;xFBLe^ma@zA02"
        "&hdD|lz5rxsAf!>z+pV>}Gvd4GIE)P6J&$?-7P>k(RU-l4S&4i?P2_cq!;)Jk0aY055%cRFI+GF8P0eHGNW7LIoO;Hg>?RMK*tZshtOV%46H"
        "*WZ^Af*Gw8vAZi`!5_TiO#bEa~lSoG(*BgeJS)ZqH)bDB5XfJZ`$K<|Jm0V8<uwbkEl&;^vkE-TQaoBdoytnNG1-RLsI;Me_b@$Hi(RAvF^_"
        "$4cr?fLOesnOB;@Ty-dy?AznG)-o=j^0S&IfJ3MU`#$!qhDMK*sCS!0DyBP(YO7?*WEFn`cN>jhklFa_<TmRr)2z9=Sii0J_Ep_;=KO$Y+D~"
        "j&nZjmG408!}D$9<nQO9exT9p3=j1rte",
    ),
    Row(
        "y4m-stdin",
        "an interlaced frame of one row: the converter's error",
        "c-o5$4Kwi#aCJ9Q2sboS@Gw;HOe#=tG_*2Qa5gb9;c^Rd^mXMD5R*~T&@-`eaPtX@h)c<mlvmX@G`Ds3^bd_rOwTPwkt`^yL6NMiZ$*)8>gY"
        "p}?4CFsMRLll1t^kp7q3K-T()KtisbsOyHO-}>^p)YdGPqzQTGq5`$tpJsQX7#(P%0f4DJU2SjY9L",
    ),
    Row(
        "video-mov",
        "a table that FFmpeg gives 820 MiB",
        "c-oDZ(QD&amWN$EJHy~DhQ?bAK@?ddLI}cJ7-51CCKw@tR(OpN8Y3<usMLy4s};9arOtYU$qHeD5uz}{6h@fB2s31a8H@>o5q=0>KNyn-6Y>"
        "y37V?<CU|)N!boW+G&+M`XUEg!hz2CXk@qr&srBbhI=I`}?HM7}N>WkD5bL!Xs_O*PRO1=EY6Zx&ViGPzyz4-D~I+acTDwlqVr88uDi%D+_="
        "^Z7FnCZNo-uKeQUYZ!Dsd2h8OLNOK_<n;xzsf={b5I6@wn%83fp!E4QJ}mD?b}e%gNPnP4WY^y;${$7LSlj-FSAG{hiqZUHi_&o2qGYP1=%-"
        "|qKyz9LiLc!5aGrMm?7d4sU--W$>Li%d>g}eNE~7Cynyd3c+tcO8>c+H(!;qS4#v1R!)r@iOAvZ1OK<1s9gIduI?vGi0$o&S!lWsiu6Q)pqr"
        "s3C$8>E*YfIWl5U`yEJ2`-0AWwpQ1{4KAD1b6S#Ri-QKo5vRP#Xhn28<<WB#63`Rgs*U$JBjNEix)0sFb2sOqH`$;HhFytqoOetQs@5u~g3z"
        "#6q%GK4<M?R*|#_#-aqPqF9`10oxKitJbr$p=FG%#>_ffTCD_e^I3O4=N2)SAYF=aD}u`@E-+ouc59xi^;~1<HpcGR%xx`QH$j5^Y*5Sv1Qt"
        "+aP+<a22!IlZW>B*O%?pfP&=>}1<DfMQ+-1;7kf@lAh+ITrQH6{+CIUhvDpAdhG&?f9sL_kghEZ!AxwELVj6NhtOk`s!7gw;DBV)kCq7c`VS"
        "Tke8jvHQl){9%i*d526S^Qxc_rFj5)M~FYzuwFIrjU76%0T5zme1_UnVg<Mn;EQ~Ip}7{L53b>m}#cE$O!9<w7Kjx{F^=aRRM-daJCHZ@^DU"
        "uQ60vb@If0UyD&X~nGsx_!omWU*07Qw=&L;xDxldCx?4tbJc`OFrlSW<lx(AP7i9)$b%Y92R9c|Q8m%V?0qqgl0<l{na%BSL2}~vqbb@RWbe"
        "mwhM0G$2BSM-I%7Un`2{S?1>>j&YU~?rFEwdQU9>^@IvviYX+HAGU3IkRevC5RKFIaQUS_vZU?n$|Vgq9?%EFJI?DND32F-@u3mV~Y(4J2hG"
        ")u)oVkgT<2Cy0^TGth#8m5hV3LGlJI8;ovLn}*Ofq^_Y1jQYqhr-rpK?6q;8AP&0cU<K!(<d9{D<{d_Ms=6aI9jWaoU8g>9%#mYF9ed%NuN^"
        "Nzd~DA@DEMT_r^`OW`&HQ&bYE)vO53k@eRJSjBj29-=L_Fk`+kCi2YVq|2<cMDl*1|?3UVmvq0$WN?a=Io)*!S;;rTT57NNfmdkHcj_a<~<!"
        "jvY}@<iY#k~~rLNxeBS+Y_rhu?Lg$(Zrih{KcfVo_tJ@IlVV$3iE1dE|ljIKUd^=U7wrHxz(QA-TC=o?v3XDblzLcKd$G)Pp!5CeVK=TTZCR"
        "y5X?b)BJ@Us3JnNvL8T6K*oVp&5PJ#nSJ2TlB;P^m=CU2+w|V4s5rHXWk3-&wNI^sJ22yGvhaIHcN7xI5zeJ9%5cwKW?+`sf@Yi`9F5-I>{)"
        "WQ~B93c#sevE1@Nx%d`#67rA6??|6|P?6`W=3nAT*q(_looziY{<8F4859K5WqC7R`2OzE2-r(DEg%UeWqBeR@YX69nw#!J8r|PypvZNd$))"
        "C^rDx0(=J?^?`f=)JvdWfzxZyyaP^xsBiLWp{U}NTH@40Q7vmK+fezIdel+nzN%iR`lWh$r8cis=T2=Wh*ij2c+o0R)*)w=MT^xezF{4;EV*"
        "N;eM`TvPA{$ImE~Mp?K|szg1C6zEfw8E$}Mv)E4sYq9yMIK<*FT5@4KfLZu8Q0uH5#u`~J@DCP+}q2ZzO=Oa&|#@M3VJ1#%-$TY=sQPWwUgB"
        "5*E)_EqryI_Ta7L4rhw`KVlsSSsSV=tzuYEm9ki-il5;QL`U87g75%dVdvlucP2D8YD<u&c|#q=BfCIi)ArZwODV&r>(fziJgAjzKGvn#@(w"
        "pxQ+*R@gEXo#pYLhadkwkWNxL3D_vWiHdf8n%IU1y{nh)6RrhigT&)Jzt3TYWMxR<O2XA5UHVN-AFe1Qt1>QH|q74%sO!eT(5az}(n8D%_uH"
        "C}gBb<m%4&BDk9TG(tG%uk03R*N#!bT|%t@KcCh=MUH&d}Nt)oxMa5luuVN9<q(LK1m~*cXVRLJ%fF*+j)7xE=w9gg7Q@GeTPu#x2o!Bofid"
        "u?WWINp_!Mivmk1EM>A4o8>$f^jLAo*2b(hV~r)-xMj~C*+g`5QXZ4`NvX(4gdkChR52yamVhUTJ*hU7w6SE&q{dP@yOmmxQX)DzV;?h$q(L"
        "wSB^VXO;7kM9hUgi!o}mp5V{9~L#@W(n-5Tzrk%&&tDPj&mIuzqn1cy@`U^=4h)I3M)ImXawjGeQY(^@+2t<!mQ64A-|1m;tuUtxSs@PXosr"
        "eCvt&GU_(-x&I5W4|@?-KF2T^*=oN{R9aqEUb_r$Amx#MJ246p=O7M7dCp~*)VL4Lw6Q-mf?rnu>Tl_2{Nf*6ONn!W+DocnljPMiD6F~-sG$"
        "|X$>dtc+#0oJ}f8w+e!F1xk!*Xhs^;w7nylYm}|=1Fy{?>e&)?vy}3J_cgFJ%vw43x4{zrekMlnz$PK`5MDnJ_+-Sm$q1-ggn=|{S<=wcwo6"
        "hj&!}z8@y9t*!7q>Tmdc3*()M^DJTS9irNRCHP8Nqbqpox%egzh5D0I7};VTwo#L|G&C2gH0r645E(yCpnV#!()}Wc)zK$tF&>ai)t`2e>f8"
        "r75l~@cJ4zA8_jlPei9c=SnnMrZJvAkZDq<=_bvz>1vl22DCJyl__0c(B_)99%%cCPDG~w&=SDP;D86D3}_uNO;BwEp$nt|P)49W1?B=+YhX"
        "Ws^CysqPC>;=>Oom0d6kw`Mpvs%RcNbHS5*dTeWaRG)mo_bT0MVIy(cvhoq}~xvdFSU^A;mpRoxPrmejVCu2mmc=E$<9mc6jf*OvES`A=3NI"
        "t7<3xpdiOc(*FMg6>L9S82QTu4@ilYvkHf_k7`cYuA5pdrxj6I)#8P1xz`p@_`@+k{&3{pxzG5ZeR@pdlZ~c18))d>!9}#e0&Oq2@)}-s9KH"
        "$K9b}}(W81ZGTV{WjqE{mK8n0)<S(M$I{Nq!4WFVYLE>sD7Rs^2$BG=+_1J92Ry(%4@%bS3MzKGQdyDwvIvzg6(NjE5kd;tcN#&Kouj=y3)K"
        "^w>Ww%%7-IX_3`J+{Dy85_S4cDvaVKshQ{W(GIrP94pzOVE5rhISd_jdFCynXL=@BP7jZ*>20dOuv;N9+6X!~LJ1?q|=f_FpI8etWucw3Aas"
        "PW^@b;%W1-Oua}Y&nJ8Fm#2QdE~WlY`(pF#n#S8ri>Czho98=!@i($9|BC$o-23HbynJ5n9Lwgr&HVaUduM(|EI+X?KAy;5zuh?56Zz-wj&4"
        "Re_3z(5FaAl9H6w9O6wNq&{#*6QURF1OZ>hI+Sv%ewdhyREU)O7!_^Z>C=cJ#1&D>9k<V~XQ3@!V4qQ58Kns5InPija0A<t{sIIey60xy5$6"
        "8}HnnUc1dYwyf=@@HqNhIX9&yiA9O|H3@iJ{ezbN<?j3>VGNhU)$FANg=l0na?HtiTULZ8B?z|w|^c_#_LV&tDnVw`Q!W#n?37?%6{?9-=%&"
        "`@zuAV9p6d1<2%_*ex0p9*596_UjA-T`;S?@mL<N{<mUoy|4}}Em&*KZaq?C^&Pu<}n#ysu_MK(@xck+K`L}of8``Opx&",
    ),
    Row(
        "shards",
        "a name too long for the system: OSError",
        "c-pI0%1tdvOi3(BRI*a2Rw~IaNz92a&a6rWaxH3g6qL$SGt)Cl;&T%VzzP!eAOb*+Qhr{lUQ%YB5>QnVl5k0RK2Ug+B%aJus;vb8^+S@%",
    ),
    Row(
        "tiff",
        "a palette of 32 bits: MemoryError",
        "c-mdp&yN#z7{~FctHy&dfC7r>+4xV4SB_?5{I}$Xg7^au9yl9gHXcl~QPKo#v{0>7YuQza|An1tUmyF-Lna;G+sr)Q*J=04mA9K0nx=WFX-3"
        "aBqs`r!%{AKHzqq-c867kSo6m1H*TLq#>)rMI?!Nok+1>Zoo9p~uzp(e5i@W>gT+>_{J(uqs?(V<eT$lHr|JL69;ckZq&34}D|M{uwpxJ(Fe"
        "_rY5>vsG3Wvid*XPo|OKeyTo{oEV$yY1zE9;Bb^=d1Q?KR*w?f3*Amqx3iX`L4a#&#!~$9JiPHd7OT}pC8&c`uSt<{7Jjrf1Un%Klj^fSG##"
        "Kc<;1*xu4VYs~>dpQ~TkKZvGnVGut`*lYZlRHxJueH@kT{*mK^#*3ZA`H$Up;mzMwbeBZ{If9-eUuXE;Kzkd{eoiqRXoa6ZGocY)1PvWn0=3"
        "n1Cjla&Bf8A#mf1NY`y5~IpI%ocM|3&<rlQVyvGynSiqxkEb`Pb(h$6xo!zdnBwf1NY``rc{$b<X_jKC}4iocY&1=keD$^RN3a;;-NSxSQYN"
        "zdgr~aptdc=C5<+U!QXvf8G1}*XK{-uXE;K-#d-J&Y6GRXBK~*Gyl5hJpMXo{&oLF{B_R!>$#TkzkaQoS)BRnocZgV`Rknd*XK{-uXE;K-#d"
        "-J&Y6GRXBK~*Gyl5hJpMXo{&oLF{B_R!>$#Tk*FXETo8RN_eVqC0ocZgV`Rknd>zw)5_fF%lbLL<7nZ;k{%)jnAkH7Adf8Bo(f1NY`dah;sb"
        "<X_jc~|lO<aRfY<IG>@%wOlsU+2tU=geQ{%)jn4i@(m9f8BE)f8DwH*Zmjq*E#dA=UT>J=ghyJcNKsAi#y%?8UH(<ce9E!f1NXboil%(Gk={"
        "kf1NXboiqQs=RE#8Xa05nMf`Qn{Oh@v@z*)?ujgIGU+2ufI;`XWZa+^3zdw)DIrG;!^Vd1^*E#doIrG;!^Vd1^ulq0JuXE;K&$W!d&Y6Eb?<"
        ")Q}Xa3b;9e>>?|HFPx2fsg$(>e3kIrG;!^Vd1^*E#doIrG;!^Vd1^ujg9EU+2ufo_7_0oiqRHu#UgZnSb>;iT`{3{5|;nd7RFfzs{Mz&Y8c?"
        "nZM4Nzs{Mz&Y8c?nZM4Ne?9Li{yJy=)nOffoiqRHa}t03;jEkg{on8B>EQS0aeDo``(8R{{yJy=di}fmQ95V-I%obmXZ|{8{yJy=I%odXVI6"
        ";+Gym#y5`UdD|LS(y{s*@m{;m",
    ),
)

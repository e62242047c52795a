# cmake -D NAME=kPageJs -D INPUT=page.js -D OUTPUT=page_js.cc -P embed.cmake: a file as a constant of a program.
file(READ ${INPUT} hex HEX)
string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${hex}")
string(REGEX REPLACE "(('[^']*',)('[^']*',)('[^']*',)('[^']*',)('[^']*',)('[^']*',)('[^']*',)('[^']*',))" "\\1\n" bytes "${bytes}")
file(WRITE ${OUTPUT} "#include <string_view>
namespace tranche::web {
static constexpr char kBytes[] = {
${bytes}};
extern const std::string_view ${NAME};
const std::string_view ${NAME}(kBytes, sizeof(kBytes));
}  // namespace tranche::web
")
